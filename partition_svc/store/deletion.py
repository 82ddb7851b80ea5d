"""Deleting logs: first their rows and batches, then, where it is worth it, the space they held.

Deleting is a few range tombstones. They give no space back until files are compacted, and that
rewrites what else is in those files; so a generation is compacted once half of it is deleted.
Those of the family `compacted` wait until they are many: RocksDB merges them by itself too.
Everything is idempotent: what a crash interrupts is found again, because the head goes last.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from rocksdict import CompactOptions

from partition_svc.store.database import Database
from partition_svc.store.group import Group
from partition_svc.store.keys import (
    COMPACTED_BIT,
    GENERATIONS,
    GenerationBytes,
    batch_prefix,
    family_of,
    generation_key,
    generation_start,
    head_key,
    ranges_of,
)
from partition_svc.store.reading import LogReader

#: Part of a generation that must be deleted before the rest is rewritten.
_WORTH_IT: Final = 0.5
_NOTHING: Final[Mapping[int, int]] = MappingProxyType({})


def delete_log(group: Group, reader: LogReader, log: bytes, size_bytes: int) -> Counter[int]:
    """Puts the deletion of a log into `group`; returns the bytes deleted in each generation."""
    deleted: Counter[int] = Counter()
    segments = list(reader.segments(log))
    ends = [*(bytes_before for _, _, bytes_before in segments[1:]), size_bytes]
    # A log that was never written to has no segment, but an end.
    for (_, generation, bytes_before), end in zip(segments, ends, strict=False):
        deleted[generation] += end - bytes_before
    for generation in deleted:
        prefix = batch_prefix(generation, log)
        group.delete_batches(prefix, prefix + b"\xff" * 8)
    for start, end_key in ranges_of(log):
        group.delete_rows(start, end_key)
    group.delete(head_key(log))
    return deleted


def note_deleted(
    group: Group, reader: LogReader, deleted: Counter[int], added: Mapping[int, int] = _NOTHING
) -> None:
    """Updates the rows of the generations that lost bytes, and may have got others for them."""
    for generation, size_bytes in deleted.items():
        row = reader.row(generation_key(generation))
        if row is not None:
            before = GenerationBytes.unpack(row)
            appended = before.appended + added.get(generation, 0)
            now = GenerationBytes(appended, before.deleted + size_bytes)
            group.put(generation_key(generation), now.pack())


def reclaim(
    database: Database, reader: LogReader, before: int, compacted_bytes_min: int
) -> Counter[int]:
    """Rewrites the files of mostly deleted generations older than `before`. Frees the lock.

    Those of the family `compacted` only where that gives back `compacted_bytes_min`. Returns what
    was deleted in them and is gone now.
    """
    worth_it = _mostly_deleted(reader, 0, before)
    compacted = _mostly_deleted(reader, COMPACTED_BIT, COMPACTED_BIT | before)
    if compacted.total() >= compacted_bytes_min:
        worth_it += compacted
    options = CompactOptions()
    # What RocksDB does by itself must not wait for this.
    options.set_exclusive_manual_compaction(False)
    for first, last in _runs(worth_it):
        start, end = generation_start(first), generation_start(last + 1)
        database.batch_families[family_of(start)].compact_range(start, end, options)
    return worth_it


def note_reclaimed(group: Group, reader: LogReader, reclaimed: Counter[int]) -> None:
    """Updates the rows of generations after `reclaim`."""
    for generation, gone in reclaimed.items():
        row = reader.row(generation_key(generation))
        if row is not None:
            before = GenerationBytes.unpack(row)
            now = GenerationBytes(before.appended - gone, before.deleted - gone)
            group.put(generation_key(generation), now.pack())


def _mostly_deleted(reader: LogReader, first: int, before: int) -> Counter[int]:
    """Deleted bytes of the generations from `first` to `before` of which most is deleted."""
    found: Counter[int] = Counter()
    for key, row in reader.rows(generation_key(first), generation_key(before)):
        appended, deleted = GenerationBytes.unpack(row)
        if 0 < deleted >= appended * _WORTH_IT:
            found[int.from_bytes(key[len(GENERATIONS) :], "big")] = deleted
    return found


def _runs(numbers: Iterable[int]) -> Iterable[tuple[int, int]]:
    """First and last of each run of consecutive numbers."""
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
