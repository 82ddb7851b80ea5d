"""Deletion of logs: rows at once, batches of the open generation by range tombstones.

Batches in older generations stay in files that no segment row refers to any more. They are noted
as dead and removed when their generation is worth rewriting: see `reclaiming`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Final, NamedTuple

from partition_svc.store.atomic_write import AtomicWrite
from partition_svc.store.keys import (
    COMPACTED_BIT,
    GenerationBytes,
    batch_prefix,
    dead_key,
    generation_key,
    head_key,
    ranges_of,
)
from partition_svc.store.reading import LogReader

#: Rows of a kind that are deleted one by one: a range tombstone makes all later reads slower.
_ROWS_MAX: Final = 64
_NOTHING: Final[Mapping[int, int]] = MappingProxyType({})


class Deleted(NamedTuple):
    """Deleted bytes by generation, and the number of range tombstones written."""

    sizes: Counter[int]
    tombstones: int


def delete_logs(
    write: AtomicWrite, reader: LogReader, logs: Sequence[tuple[bytes, int]], generation: int
) -> Deleted:
    """Adds the deletion of `logs` (log key and size in bytes) to `write`.

    `generation`: the open one.
    """
    sizes: Counter[int] = Counter()
    tombstones = 0
    for log, size_bytes in logs:
        deleted = _sizes(reader, log, size_bytes)
        sizes += deleted
        for deleted_in in deleted:
            if deleted_in & ~COMPACTED_BIT == generation:
                # The log may be created again in this generation.
                prefix = batch_prefix(deleted_in, log)
                write.delete_batches(prefix, prefix + b"\xff" * 8)
                tombstones += 1
            else:
                write.put(dead_key(deleted_in, log), b"")
        for start, end in ranges_of(log):
            tombstones += _delete_rows(write, reader, start, end)
        write.delete(head_key(log))
    return Deleted(sizes, tombstones)


def _sizes(reader: LogReader, log: bytes, size_bytes: int) -> Counter[int]:
    """Bytes of a log in each generation."""
    sizes: Counter[int] = Counter()
    segments = list(reader.segments(log))
    ends = [*(bytes_before for _, _, bytes_before in segments[1:]), size_bytes]
    # A log without any write has no segment, but an end.
    for (_, generation, bytes_before), end in zip(segments, ends, strict=False):
        sizes[generation] += end - bytes_before
    return sizes


def _delete_rows(write: AtomicWrite, reader: LogReader, start: bytes, end: bytes) -> int:
    """Returns the number of range tombstones written."""
    found = list(islice(reader.rows(start, end), _ROWS_MAX))
    if len(found) == _ROWS_MAX:
        write.delete_rows(start, end)
        return 1
    for key, _ in found:
        write.delete(key)
    return 0


def note_deleted(
    write: AtomicWrite,
    reader: LogReader,
    deleted: Counter[int],
    added: Mapping[int, int] = _NOTHING,
) -> None:
    """Updates the rows of generations whose batches were deleted or replaced."""
    for generation, size_bytes in deleted.items():
        row = reader.row(generation_key(generation))
        if row is not None:
            before = GenerationBytes.unpack(row)
            appended = before.appended + added.get(generation, 0)
            now = GenerationBytes(appended, before.deleted + size_bytes)
            write.put(generation_key(generation), now.pack())
