"""The open generation: its size, its tombstones, and when it must end."""

from collections import Counter
from typing import Final

from partition_svc.store.keys import COMPACTED_BIT, generation_key, pack_generation

#: Part of a generation (one in N) that compaction may take from older generations before it ends
#: early: their space is reclaimed only after the flush.
_REPLACED_PART: Final = 16

#: Range tombstones after which a generation ends: a read after a new one sorts all, 0.1 µs each.
_TOMBSTONES_MAX: Final = 2_000


class _Bytes:
    """Bytes of one column family."""

    __slots__ = ("appended", "deleted", "key")

    def __init__(self, generation: int) -> None:
        self.key = generation_key(generation)
        self.appended = 0
        self.deleted = 0


class OpenGeneration:
    """Counts the bytes of one memtable: in plain segments and in the family `compacted`."""

    def __init__(self, number: int, flush_bytes: int) -> None:
        self.number = number
        #: True if it must end regardless of its size.
        self.must_end = False
        #: Range tombstones in it. Their space is reclaimed only after it has ended.
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

    def add(self, appended_bytes: int, compacted_bytes: int, puts: list[bytes]) -> None:
        """Counts appended bytes and adds the generation rows that are stored with them to `puts`.

        `compacted_bytes` of them are in the family `compacted`. If the write fails, the store is
        opened again, which begins a generation.
        """
        self._to_flush += appended_bytes
        # The plain row always exists: it tells the next opening of this generation.
        plain, compacted = self._plain, self._compacted
        plain.appended += appended_bytes - compacted_bytes
        puts += plain.key, pack_generation(plain.appended, plain.deleted)
        compacted.appended += compacted_bytes
        if compacted.appended:
            puts += compacted.key, pack_generation(compacted.appended, compacted.deleted)

    def replace(self, added: Counter[int], deleted: Counter[int]) -> None:
        """Counts replaced bytes by generation, and removes this generation from both."""
        self._to_flush += added.total()
        # Files of generations that are not in family `compacted` must be rewritten for it.
        self._replaced += sum(size for one, size in deleted.items() if one < self.number)
        for generation, ours in (
            (self.number, self._plain),
            (self.number | COMPACTED_BIT, self._compacted),
        ):
            ours.appended += added.pop(generation, 0)
            ours.deleted += deleted.pop(generation, 0)
