"""Giving back the space of deleted logs, by rewriting files without what is deleted.

That rewrites what else is in those files; so a generation is rewritten once half of it is deleted,
or much sooner where the disk is short of room. Those of the family `compacted` wait until they are
many: RocksDB merges them by itself too.

The range tombstones of dead logs are written only now, for a few consecutive generations, and
become a file of their own. RocksDB rewrites everything between the first and the last key of a file
of tombstones: one with those of all generations would have it rewrite the whole store at once.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from partition_svc.store.atomic_write import AtomicWrite
from partition_svc.store.database import Database
from partition_svc.store.failures import storage_failures
from partition_svc.store.keys import (
    COMPACTED_BIT,
    DEAD,
    GENERATIONS,
    GenerationBytes,
    dead_range,
    generation_key,
    generation_start,
)
from partition_svc.store.reading import LogReader

#: Part of a generation that must be deleted before the rest is rewritten; where the disk is short
#: of room much less is worth it.
_WORTH_IT: Final = 0.5
_WORTH_IT_IF_SHORT: Final = 0.05
#: Deleted space of the family `compacted` is given back once it is so large a part of a generation.
_COMPACTED_PART: Final = 4
#: So much was appended in the generations that are rewritten at a time, at most.
_PIECE_BYTES: Final = 1 << 30
#: And no more than this part of what is free.
_FREE_PART: Final = 4
#: With more of these RocksDB must compact by itself between two rewrites, or appends have to wait.
_LEVEL0_FILES_MAX: Final = 15


class Reclaimer:
    """For one database."""

    def __init__(self, database: Database, reader: LogReader, *, flush_bytes: int) -> None:
        """`flush_bytes` is how much a generation usually has."""
        self._database = database
        self._reader = reader
        self._compacted_bytes_min = flush_bytes // _COMPACTED_PART
        if not any(reader.rows(DEAD, DEAD + b"\xff" * 25)):
            database.allow_compactions(allowed=True)

    def find(self, before: int, free_bytes: int, *, is_short: bool) -> Counter[int]:
        """The next generations before `before` that are worth it, with their deleted bytes.

        `free_bytes` may be used of the disk. With `is_short` it is one generation, of which little
        need be deleted.

        Where there is nothing more to rewrite, RocksDB compacts by itself again.
        """
        found = self._find(before, free_bytes, is_short=is_short)
        if not found or self._database.level0_files() > _LEVEL0_FILES_MAX:
            self._database.allow_compactions(allowed=True)
        return found

    def _find(self, before: int, free_bytes: int, *, is_short: bool) -> Counter[int]:
        part = _WORTH_IT_IF_SHORT if is_short else _WORTH_IT
        damaged = self._database.damaged_generations()
        plain = dict(self._mostly_deleted(0, before, part, damaged))
        compacted = dict(self._mostly_deleted(COMPACTED_BIT, COMPACTED_BIT | before, part, damaged))
        if is_short:
            return _one_that_fits({**plain, **compacted}, free_bytes)
        is_enough = sum(one.deleted for one in compacted.values()) >= self._compacted_bytes_min
        # New files are written before the old ones go, and have neighbours in them as well.
        bytes_max = min(_PIECE_BYTES, free_bytes // _FREE_PART)
        return _first_run({**plain, **compacted} if is_enough else plain, bytes_max)

    def write_tombstones(self, write: AtomicWrite, generations: Collection[int]) -> None:
        """Puts tombstones of the dead logs of consecutive generations into `write`."""
        for key, _ in self._reader.rows(*dead_range(min(generations), max(generations))):
            prefix = key[len(DEAD) :]
            write.delete_batches(prefix, prefix + b"\xff" * 8)

    def rewrite(self, generations: Collection[int]) -> None:
        """Rewrites the files of consecutive generations. Blocks; frees the lock.

        Raises:
            StorageFailed: interrupted, or not possible.
        """
        start, end = generation_start(min(generations)), generation_start(max(generations) + 1)
        with storage_failures("compact"):
            self._database.compact(start, end)

    def _mostly_deleted(
        self, first: int, before: int, part: float, damaged: Collection[range]
    ) -> Iterator[tuple[int, GenerationBytes]]:
        """Generations from `first` to `before` of which at least `part` is deleted.

        None of `damaged`: files that cannot be read cannot be rewritten.
        """
        for key, row in self._reader.rows(generation_key(first), generation_key(before)):
            size = GenerationBytes.unpack(row)
            generation = int.from_bytes(key[len(GENERATIONS) :], "big")
            if 0 < size.deleted >= size.appended * part and not any(
                generation in one for one in damaged
            ):
                yield generation, size


def note_reclaimed(write: AtomicWrite, reader: LogReader, reclaimed: Counter[int]) -> None:
    """Updates the rows of generations that were rewritten, and forgets their dead logs."""
    for generation in reclaimed:
        write.delete_rows(*dead_range(generation, generation))
    for generation, gone in reclaimed.items():
        row = reader.row(generation_key(generation))
        if row is not None:
            before = GenerationBytes.unpack(row)
            now = GenerationBytes(before.appended - gone, before.deleted - gone)
            write.put(generation_key(generation), now.pack())


def _one_that_fits(found: Mapping[int, GenerationBytes], free_bytes: int) -> Counter[int]:
    """That of which least is left to be written again."""
    rest = {number: size.appended - size.deleted for number, size in found.items()}
    number = min(rest, key=rest.__getitem__, default=None)
    if number is None or rest[number] >= free_bytes:
        return Counter()
    return Counter({number: found[number].deleted})


def _first_run(found: Mapping[int, GenerationBytes], bytes_max: int) -> Counter[int]:
    """The first consecutive generations, as long as they are not too large together."""
    run: Counter[int] = Counter()
    appended = 0
    for number in sorted(found):
        appended += found[number].appended
        if run and (number - 1 not in run or appended > bytes_max):
            break
        run[number] = found[number].deleted
    return run
