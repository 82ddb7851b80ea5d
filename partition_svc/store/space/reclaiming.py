"""Reclaims the space of deleted logs by rewriting files without their batches.

A rewrite also copies the live data of those files, so a generation is rewritten once half of it is
deleted, or much sooner if the disk is short of room. Generations of the family `compacted` wait
until enough is deleted: RocksDB merges them by itself too.

The range tombstones of dead logs are written only then, for a few consecutive generations, into a
file of their own. RocksDB rewrites everything between the first and the last key of a file of
tombstones, so tombstones of all generations would make it rewrite the whole store at once.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Final

from partition_svc.store.atomic_write import AtomicWrite
from partition_svc.store.database import Database
from partition_svc.store.failures import StorageFailed, storage_failures
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

#: Part of a generation that must be deleted before it is rewritten, and the part that is enough
#: if the disk is short of room.
_WORTH_IT: Final = 0.5
_WORTH_IT_IF_SHORT: Final = 0.05
#: Part (one in N) of a generation that must be deleted in the family `compacted`.
_COMPACTED_PART: Final = 4
#: Maximum size of the generations that are rewritten at a time.
_PIECE_BYTES: Final = 1 << 30
#: They may also take no more than this part (one in N) of the free space.
_FREE_PART: Final = 4
#: With more level-0 files RocksDB must compact between two rewrites, or appends have to wait.
_LEVEL0_FILES_MAX: Final = 15


class Reclaimer:
    """Finds and rewrites generations of one database."""

    def __init__(self, database: Database, reader: LogReader, *, flush_bytes: int) -> None:
        """`flush_bytes`: usual size of a generation."""
        self._database = database
        self._reader = reader
        self._compacted_bytes_min = flush_bytes // _COMPACTED_PART
        if not any(reader.rows(DEAD, DEAD + b"\xff" * 25)):
            database.allow_compactions(allowed=True)

    def find(self, before: int, free_bytes: int, *, is_short: bool) -> Counter[int]:
        """Returns the next generations before `before` worth rewriting, with their deleted bytes.

        `free_bytes`: free space of the disk. With `is_short` it is one generation, of which only a
        small part need be deleted. Enables automatic compaction when there is nothing to rewrite.
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
        is_enough = sum(size.deleted for size in compacted.values()) >= self._compacted_bytes_min
        # New files are written before the old ones go, and have neighbours in them as well.
        bytes_max = min(_PIECE_BYTES, free_bytes // _FREE_PART)
        return _first_run({**plain, **compacted} if is_enough else plain, bytes_max)

    def write_tombstones(self, write: AtomicWrite, generations: Collection[int]) -> None:
        """Adds the range tombstones of dead logs in consecutive generations to `write`."""
        for key, _ in self._reader.rows(*dead_range(min(generations), max(generations))):
            prefix = key[len(DEAD) :]
            write.delete_batches(prefix, prefix + b"\xff" * 8)
        # A generation without logs should leave no file. The newest marker counts; it is not known
        # if the newest file is damaged.
        with suppress(StorageFailed):
            newest = self._database.newest_generations()
            for generation in generations:
                if generation not in newest:
                    write.delete_batch(generation_start(generation))

    def rewrite(self, generations: Collection[int]) -> None:
        """Rewrites the files of consecutive generations. Blocks; frees the lock.

        Raises:
            StorageFailed: interrupted, or not possible.
        """
        start = generation_start(min(generations))
        # Not the start of the next generation, where its marker is.
        end = generation_start(max(generations)) + b"\xff" * 29
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
                generation in generations for generations in damaged
            ):
                yield generation, size


def note_reclaimed(write: AtomicWrite, reader: LogReader, reclaimed: Counter[int]) -> None:
    """Updates the rows of rewritten generations, and removes the rows of their dead logs."""
    for generation in reclaimed:
        write.delete_rows(*dead_range(generation, generation))
    for generation, gone in reclaimed.items():
        row = reader.row(generation_key(generation))
        if row is not None:
            before = GenerationBytes.unpack(row)
            now = GenerationBytes(before.appended - gone, before.deleted - gone)
            write.put(generation_key(generation), now.pack())


def _one_that_fits(found: Mapping[int, GenerationBytes], free_bytes: int) -> Counter[int]:
    """The generation with the least live data."""
    rest = {number: size.appended - size.deleted for number, size in found.items()}
    number = min(rest, key=rest.__getitem__, default=None)
    if number is None or rest[number] >= free_bytes:
        return Counter()
    return Counter({number: found[number].deleted})


def _first_run(found: Mapping[int, GenerationBytes], bytes_max: int) -> Counter[int]:
    """The first consecutive generations of together at most `bytes_max`, or the first one."""
    run: Counter[int] = Counter()
    appended = 0
    for number in sorted(found):
        appended += found[number].appended
        if run and (number - 1 not in run or appended > bytes_max):
            break
        run[number] = found[number].deleted
    return run
