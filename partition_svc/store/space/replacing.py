"""Replaces batches by their compacted form, or deletes them.

A compacted batch keeps its last offset and so its key. The sizes of segments and generations are
updated in the same atomic write.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from partition_svc.store.atomic_write import AtomicWrite
from partition_svc.store.keys import batch_prefix, pack_segment, pack_u64, segment_key
from partition_svc.store.reading import LogReader


class Replacement(NamedTuple):
    """The new form of a batch of `size_bytes`; None deletes it."""

    last_offset: int
    size_bytes: int
    batch: bytes | None


class Replaced(NamedTuple):
    """Bytes by generation: of the new batches, and of those that they replace."""

    added: Counter[int]
    deleted: Counter[int]

    @property
    def gone_bytes(self) -> int:
        return self.deleted.total() - self.added.total()


def replace_batches(
    write: AtomicWrite,
    reader: LogReader,
    log: bytes,
    size_bytes: int,
    replacements: Sequence[Replacement],
) -> Replaced:
    """Adds replacements to `write`. `size_bytes`: size of the log before."""
    segments = list(reader.segments(log))
    bases = [base for base, _, _ in segments]
    replaced = Replaced(Counter(), Counter())
    gone: Counter[int] = Counter()
    for last_offset, size_before, batch in replacements:
        index = bisect_right(bases, last_offset) - 1
        generation = segments[index][1]
        key = batch_prefix(generation, log) + pack_u64(last_offset)
        if batch is None:
            write.delete_batch(key)
        else:
            write.put_batch(key, batch)
        size_now = len(batch or b"")
        replaced.added[generation] += size_now
        replaced.deleted[generation] += size_before
        gone[index] += size_before - size_now
    _move_segments(write, log, segments, size_bytes, gone)
    return replaced


def _move_segments(
    write: AtomicWrite,
    log: bytes,
    segments: Sequence[tuple[int, int, int]],
    size_bytes: int,
    gone: Counter[int],
) -> None:
    """Updates the start of each segment in bytes, and removes segments without a batch."""
    ends = [*(before for _, _, before in segments[1:]), size_bytes]
    gone_before = 0
    for index, ((base, generation, before), end) in enumerate(zip(segments, ends, strict=True)):
        if end - before == gone[index] > 0:
            write.delete(segment_key(log, base))
        elif gone_before:
            write.put(segment_key(log, base), pack_segment(generation, before - gone_before))
        gone_before += gone[index]
