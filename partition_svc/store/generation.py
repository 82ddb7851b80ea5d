"""The generation that is written to now: what is in it, and when it must end."""

from collections import Counter
from typing import Final

from partition_svc.store.keys import COMPACTED_BIT, GenerationBytes

#: It ends early where so large a part of it is what compaction took from older generations: that
#: gives no space back before it is in files.
_REPLACED_PART: Final = 16

_EMPTY: Final = GenerationBytes(0, 0)


class OpenGeneration:
    """Counts what one memtable holds: of plain segments, and of those in family `compacted`."""

    def __init__(self, number: int, flush_bytes: int) -> None:
        self.number = number
        #: Set where it is to end whatever is in it.
        self.must_end = False
        self._flush_bytes = flush_bytes
        self._to_flush = 0
        self._replaced = 0
        self._rows = {number: _EMPTY, number | COMPACTED_BIT: _EMPTY}

    @property
    def is_full(self) -> bool:
        return (
            self.must_end
            or self._to_flush >= self._flush_bytes
            or self._replaced * _REPLACED_PART >= self._flush_bytes
        )

    def rows_with(self, appended_bytes: int, compacted_bytes: int) -> dict[int, GenerationBytes]:
        """What to store, by generation, with so many bytes more; then it goes to `take`.

        `compacted_bytes` of them are in the family `compacted`.
        """
        plain, compacted = self.number, self.number | COMPACTED_BIT
        # The plain one is always there: the next opening learns from it that there is one.
        rows = {plain: self._rows[plain].plus(appended_bytes - compacted_bytes)}
        if compacted_bytes or self._rows[compacted].appended:
            rows[compacted] = self._rows[compacted].plus(compacted_bytes)
        return rows

    def take(self, rows: dict[int, GenerationBytes], written_bytes: int) -> None:
        """They are stored."""
        self._rows |= rows
        self._to_flush += written_bytes

    def replace(self, added: Counter[int], deleted: Counter[int]) -> None:
        """Batches become others, or nothing: bytes by generation, of which ours are taken out."""
        self._to_flush += added.total()
        # Files of generations that are not in family `compacted` must be rewritten for it.
        self._replaced += sum(size for one, size in deleted.items() if one < self.number)
        for generation, (appended, before) in self._rows.items():
            here = added.pop(generation, 0), deleted.pop(generation, 0)
            self._rows[generation] = GenerationBytes(appended + here[0], before + here[1])
