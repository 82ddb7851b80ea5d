"""Files of the journal that are still needed: their changes are in a memtable of some family.

RocksDB flushes the memtables of a family in the order in which they were handed over, and tells
nobody when one is done. So each family has a queue of files with an entry for each memtable handed
over, and the number of memtables that are left says how many entries at the end are still valid.
"""

from collections import deque
from collections.abc import Collection, Sequence


class PendingFlushes:
    """Counts by family, in the order of `Changes.family`."""

    def __init__(self, family_count: int) -> None:
        self._pending: list[deque[int]] = [deque() for _ in range(family_count)]

    def hand_over(self, families: Collection[int], file_number: int) -> None:
        """Records that the memtables of `families` will be flushed; they end in `file_number`."""
        for family in families:
            self._pending[family].append(file_number)

    def first_needed(self, immutable_memtables: Sequence[int]) -> int | None:
        """The first file that is still needed for a memtable that was handed over; None for none.

        `immutable_memtables`: number of them in each family now.
        """
        for pending, left in zip(self._pending, immutable_memtables, strict=True):
            while len(pending) > left:
                pending.popleft()
        return min((pending[0] for pending in self._pending if pending), default=None)
