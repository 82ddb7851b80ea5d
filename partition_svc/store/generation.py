"""The generation that is written to now: what is in it, and when it must end."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from partition_svc.store.keys import COMPACTED_BIT, generation_key, pack_generation

#: It ends early where so large a part of it is what compaction took from older generations: that
#: gives no space back before it is in files.
_REPLACED_PART: Final = 16

#: It ends after so many range tombstones: each read after a new one sorts them all, 0.1 µs each.
_TOMBSTONES_MAX: Final = 2_000


class _Bytes:
    """Of one family."""

    __slots__ = ("appended", "deleted", "key")

    def __init__(self, generation: int) -> None:
        self.key = generation_key(generation)
        self.appended = 0
        self.deleted = 0


class OpenGeneration:
    """Counts what one memtable holds: of plain segments, and of those in family `compacted`."""

    def __init__(self, number: int, flush_bytes: int) -> None:
        self.number = number
        #: Set where it is to end whatever is in it.
        self.must_end = False
        #: Range tombstones in it. What they delete is in files until it has ended.
        self.tombstones = 0
        self._flush_bytes = flush_bytes
        self._to_flush = 0
        self._replaced = 0
        self._plain = _Bytes(number)
        self._compacted = _Bytes(number | COMPACTED_BIT)

    @property
    def is_full(self) -> bool:
        return (
            self.must_end
            or self.tombstones >= _TOMBSTONES_MAX
            or self._to_flush >= self._flush_bytes
            or self._replaced * _REPLACED_PART >= self._flush_bytes
        )

    def add(
        self, appended_bytes: int, compacted_bytes: int, put: Callable[[bytes, bytes], None]
    ) -> None:
        """Counts so many bytes more, and puts the rows to be written with them.

        `compacted_bytes` of them are in the family `compacted`. Where the write fails no generation
        goes on: the store is opened again.
        """
        self._to_flush += appended_bytes
        # The plain one is always there: the next opening learns from it that there is one.
        plain, compacted = self._plain, self._compacted
        plain.appended += appended_bytes - compacted_bytes
        put(plain.key, pack_generation(plain.appended, plain.deleted))
        compacted.appended += compacted_bytes
        if compacted.appended:
            put(compacted.key, pack_generation(compacted.appended, compacted.deleted))

    def replace(self, added: Counter[int], deleted: Counter[int]) -> None:
        """Batches become others, or nothing: bytes by generation, of which ours are taken out."""
        self._to_flush += added.total()
        # Files of generations that are not in family `compacted` must be rewritten for it.
        self._replaced += sum(size for one, size in deleted.items() if one < self.number)
        for generation, ours in (
            (self.number, self._plain),
            (self.number | COMPACTED_BIT, self._compacted),
        ):
            ours.appended += added.pop(generation, 0)
            ours.deleted += deleted.pop(generation, 0)
