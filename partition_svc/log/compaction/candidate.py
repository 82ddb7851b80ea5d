"""The part of a log that is due for compaction.

Rules of LogCleanerManager.cleanableOffsets and grabFilthiestCompactedLog of Apache Kafka. The
active segment is the log's newest one.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from common.records.batch import parse_header
from partition_svc.log.log_config import FOREVER
from partition_svc.log.partition_log import PartitionLog
from partition_svc.store.reading import LogReader, ReadLimits

_FIRST = ReadLimits(bytes_max=0, pause_bytes=0, at_least_one=True)


class CompactionCandidate(NamedTuple):
    """Compaction starts at `first_dirty`, before which the log is compacted, and ends at `end`."""

    log: PartitionLog
    first_dirty: int
    end: int
    dirty_bytes: int
    #: `dirty_bytes` as a part of all bytes before `end`, from 0 to 1.
    dirty_ratio: float


def find_candidate(log: PartitionLog, reader: LogReader, now_ms: int) -> CompactionCandidate | None:
    """Returns the part of a log to compact now; None if there is none, or it is too small.

    Raises:
        StorageFailed
    """
    segments = list(reader.segments(log.key))
    if len(segments) < 2:
        return None
    end = min(segments[-1][0], log.high_watermark, _end_of_old_records(log, reader, now_ms))
    first_dirty = max(reader.compacted_to(log.key), log.log_start_offset)
    if first_dirty >= end:
        return None
    log_end = (log.head.next_offset, 0, log.head.size_bytes)
    clean_bytes = _bytes_before([*segments, log_end], first_dirty)
    all_bytes = _bytes_before([*segments, log_end], end)
    dirty_bytes = all_bytes - clean_bytes
    part = CompactionCandidate(log, first_dirty, end, dirty_bytes, dirty_bytes / max(1, all_bytes))
    if part.dirty_ratio > log.config.dirty_ratio_min or _is_overdue(part, reader, now_ms):
        return part
    return None


def _end_of_old_records(log: PartitionLog, reader: LogReader, now_ms: int) -> int:
    """Returns the offset before which all records are older than min.compaction.lag.ms."""
    lag_ms = log.config.compaction_lag_min_ms
    oldest_young_ms = now_ms - lag_ms
    if not lag_ms or log.head.max_timestamp < oldest_young_ms:
        return log.next_offset
    # The time index has no timestamps before 1970.
    return reader.offset_before_time(log.key, max(0, oldest_young_ms)) + 1


def _is_overdue(part: CompactionCandidate, reader: LogReader, now_ms: int) -> bool:
    """Returns True if its first record is older than max.compaction.lag.ms."""
    lag_ms = part.log.config.compaction_lag_max_ms
    if lag_ms == FOREVER:
        return False
    first = reader.read(part.log.key, part.first_dirty, part.end, _FIRST).batches
    return bool(first) and parse_header(first[0]).max_timestamp < now_ms - lag_ms


def _bytes_before(segments: Sequence[tuple[int, int, int]], offset: int) -> int:
    """Returns the bytes before `offset`, estimated from the segment that has it."""
    for (base, _, before), (next_base, _, end) in pairwise(segments):
        if base <= offset < next_base:
            return before + (end - before) * (offset - base) // (next_base - base)
    return 0
