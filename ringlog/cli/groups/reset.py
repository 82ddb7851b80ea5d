"""Where a group is to go on. Pure: what to ask the logs, and what follows from their answers.

As `kafka-consumer-groups --reset-offsets` of Apache Kafka: an offset outside the log becomes its
nearest end, and a time after the last record becomes the end.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from common.ports.partitions import EARLIEST_TIMESTAMP, LATEST_TIMESTAMP


@dataclass(frozen=True)
class Earliest:
    """The first record that is still there."""


@dataclass(frozen=True)
class Latest:
    """The end: only what comes from now on."""


@dataclass(frozen=True)
class ToOffset:
    offset: int


@dataclass(frozen=True)
class ToTime:
    """The first record of that time (ms since the epoch) or later."""

    timestamp_ms: int


Target: TypeAlias = Earliest | Latest | ToOffset | ToTime


class LogEnds(NamedTuple):
    """The offset of a partition's first record, and the one that its next record gets."""

    start: int
    end: int


class NewOffset(NamedTuple):
    """What a partition's committed offset would become; `before` None: nothing was committed."""

    topic: str
    partition: int
    before: int | None
    after: int


def timestamp_of(target: Target) -> int:
    """What to ask the log for besides its ends, as ListOffsets has it."""
    if isinstance(target, ToTime):
        return target.timestamp_ms
    return LATEST_TIMESTAMP if isinstance(target, Latest) else EARLIEST_TIMESTAMP


def new_offset(target: Target, ends: LogEnds, found: int) -> int:
    """`found` is the log's answer to `timestamp_of`: an offset, or -1 for none."""
    if isinstance(target, ToOffset):
        return min(max(target.offset, ends.start), ends.end)
    return found if found >= 0 else ends.end
