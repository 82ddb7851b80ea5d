"""The new offsets of `ringlog groups reset-offsets`. Pure: queries of logs, and their results.

The same as `kafka-consumer-groups --reset-offsets` of Apache Kafka: an offset outside the log
becomes its nearest end, and a time after the last record becomes the end.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from common.ports.partitions import EARLIEST_TIMESTAMP, LATEST_TIMESTAMP


@dataclass(frozen=True)
class Earliest:
    """The first offset of the log."""


@dataclass(frozen=True)
class Latest:
    """The end offset: only records that are appended later."""


@dataclass(frozen=True)
class ToOffset:
    """A given offset."""

    offset: int


@dataclass(frozen=True)
class ToTime:
    """The first record of that time (ms since the epoch) or later."""

    timestamp_ms: int


Target: TypeAlias = Earliest | Latest | ToOffset | ToTime


class LogEnds(NamedTuple):
    """The offset of the first record of a partition, and the offset of its next one."""

    start: int
    end: int


class OffsetChange(NamedTuple):
    """The old and new committed offset of a partition; `before` None: none was committed."""

    topic: str
    partition: int
    before: int | None
    after: int


def timestamp_of(target: Target) -> int:
    """Returns the timestamp to query the log with, as in ListOffsets."""
    if isinstance(target, ToTime):
        return target.timestamp_ms
    return LATEST_TIMESTAMP if isinstance(target, Latest) else EARLIEST_TIMESTAMP


def new_offset(target: Target, ends: LogEnds, result: int) -> int:
    """Returns the offset to commit. `result` is that of `timestamp_of`: an offset, -1 for none."""
    if isinstance(target, ToOffset):
        return min(max(target.offset, ends.start), ends.end)
    return result if result >= 0 else ends.end
