"""The port to partition logs: append, fetch, list offsets, describe.

Implemented by `partition_svc` (the owner of the logs) and by the gateway's gRPC client. A
partition's outcome is data, never an exception: the only exception is `BackendUnavailable`,
for a call that as a whole got no answer.
"""

from asyncio import Future
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple, Protocol

#: Kafka's `acks`: answer after the WAL is synced (-1), written to the OS (1), or never (0).
ACKS_ALL = -1
ACKS_LEADER = 1
ACKS_NONE = 0

#: Special timestamps of ListOffsets (ListOffsetsRequest.java).
LATEST_TIMESTAMP = -1
EARLIEST_TIMESTAMP = -2
MAX_TIMESTAMP = -3

#: "Do not check the caller's leader epoch" (KIP-320).
NO_LEADER_EPOCH = -1

_new_tuple: Final = tuple.__new__


class Refusal(IntEnum):
    """Why a partition did not do what was asked. Numbers and names are partition.v1.Refusal's."""

    NOT_OWNER = 1
    UNKNOWN_TOPIC_OR_PARTITION = 2
    CORRUPT_MESSAGE = 3
    INVALID_RECORD = 4
    MESSAGE_TOO_LARGE = 5
    INVALID_TIMESTAMP = 6
    UNSUPPORTED_COMPRESSION_TYPE = 7
    OUT_OF_ORDER_SEQUENCE_NUMBER = 8
    INVALID_PRODUCER_EPOCH = 9
    KAFKA_STORAGE_ERROR = 10
    OFFSET_OUT_OF_RANGE = 11
    FENCED_LEADER_EPOCH = 12
    UNKNOWN_LEADER_EPOCH = 13
    UNSUPPORTED_TIMESTAMP = 14
    MOVING = 15
    #: The owner did not answer: it is not known whether what was asked for was done.
    NO_RESPONSE = 16
    #: The topic is internal: only coordinators append to it.
    INVALID_TOPIC_EXCEPTION = 17


class LogId(NamedTuple):
    """A partition log's identity. A deleted and recreated topic has another `topic_id`."""

    topic_id: bytes  # 16 bytes
    partition: int


@dataclass(slots=True)
class Append:
    """One record batch (v2, as the client sent it) for the end of one log.

    `by_coordinator`: a coordinator of this process made the batch, so none of its records is
    without a key. Internal topics accept no other. Nothing that arrives from outside may set it.
    """

    log: LogId
    batch: bytes | memoryview
    leader_epoch: int = NO_LEADER_EPOCH
    by_coordinator: bool = False


@dataclass(slots=True)
class RecordError:
    """One record that made its batch unacceptable (KIP-467)."""

    batch_index: int
    message: str | None = None


class AppendResult(NamedTuple):
    """Where a batch was stored, or why not: `refusal` is None exactly when it is in the log."""

    base_offset: int = -1
    log_append_time_ms: int = -1
    log_start_offset: int = -1
    refusal: Refusal | None = None
    message: str | None = None
    record_errors: tuple[RecordError, ...] = ()
    leader_epoch: int = NO_LEADER_EPOCH


def stored(base_offset: int, log_append_time_ms: int, log_start_offset: int) -> AppendResult:
    """What most appends get, made in a third of the time."""
    fields = (base_offset, log_append_time_ms, log_start_offset, None, None, (), NO_LEADER_EPOCH)
    return _new_tuple(AppendResult, fields)


@dataclass(slots=True)
class FetchPartition:
    """Read from `fetch_offset` on, about `max_bytes` of whole batches."""

    log: LogId
    fetch_offset: int
    max_bytes: int
    leader_epoch: int = NO_LEADER_EPOCH


class FetchRoom(Protocol):
    """Room for what a query reads, shared with other queries of the same caller."""

    @property
    def left(self) -> int:
        """Bytes; none where it is not positive."""
        ...

    @property
    def is_short(self) -> bool:
        """True where a query must not wait for more with what it has read."""
        ...

    def take(self, byte_count: int) -> None: ...

    def give(self, byte_count: int) -> None: ...

    async def until_some(self) -> None:
        """Waits until there is room."""
        ...


@dataclass(slots=True)
class FetchQuery:
    """One long poll over several logs: answered when `min_bytes` are there in all of them together.

    `max_bytes` bounds the whole answer; the first batch found comes back even where it alone is
    larger (KIP-74). What was read is taken from `room`, if there is one; the caller gives it back.
    Completing `end_of_wait` ends the wait: the answer is what is there then.
    """

    partitions: Sequence[FetchPartition]
    max_wait_ms: int
    min_bytes: int
    max_bytes: int
    read_committed: bool = False
    room: FetchRoom | None = None
    end_of_wait: Future[None] | None = None


class AbortedTransaction(NamedTuple):
    """A producer whose records from `first_offset` on were rolled back (read_committed)."""

    producer_id: int
    first_offset: int


@dataclass(slots=True)
class FetchResult:
    """Whole v2 batches in offset order, as a list of chunks that are sent one after the other."""

    records: list[bytes | memoryview] = field(default_factory=list)
    high_watermark: int = -1
    last_stable_offset: int = -1
    log_start_offset: int = -1
    leader_epoch: int = NO_LEADER_EPOCH
    aborted: list[AbortedTransaction] | None = None
    refusal: Refusal | None = None


@dataclass(slots=True)
class OffsetQuery:
    """The offset at `timestamp` (ms since the epoch, or one of the special negatives)."""

    log: LogId
    timestamp: int
    leader_epoch: int = NO_LEADER_EPOCH
    read_committed: bool = False


@dataclass(slots=True)
class OffsetResult:
    """`offset` -1 without a refusal means: no record answers the question."""

    offset: int = -1
    timestamp: int = -1
    leader_epoch: int = NO_LEADER_EPOCH
    refusal: Refusal | None = None


@dataclass(slots=True)
class EpochQuery:
    """Where the records of `leader_epoch` end (KIP-279). `current_leader_epoch` is the caller's."""

    log: LogId
    leader_epoch: int
    current_leader_epoch: int = NO_LEADER_EPOCH


@dataclass(slots=True)
class EpochEndOffset:
    """The largest known epoch that is not above the one asked for, and the offset where it ends.

    Both are -1 where none is known (LeaderEpochFileCache.endOffsetFor of Apache Kafka).
    """

    leader_epoch: int = NO_LEADER_EPOCH
    end_offset: int = -1
    refusal: Refusal | None = None


@dataclass(slots=True)
class LogDescription:
    """What an operator wants to know of one log. `size_bytes` counts batches, not their storage.

    `uncleanable` says why compaction leaves the log, or a part of it, as it is; empty: it does not.
    """

    log: LogId
    log_start_offset: int = -1
    high_watermark: int = -1
    log_end_offset: int = -1
    size_bytes: int = 0
    leader_epoch: int = NO_LEADER_EPOCH
    producer_count: int = 0
    uncleanable: str = ""
    refusal: Refusal | None = None


class OneAppend(NamedTuple):
    """A batch that is being appended: its result has `position` in what `future` gives.

    Other callers may wait for the same future, so cancelling a shared one has no effect.
    """

    future: "Future[list[AppendResult]]"
    position: int


class Partitions(Protocol):
    """Partition logs, wherever they live. Results come in the order of what was asked."""

    def append(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        """Starts the appends at once, in the order of the calls, and answers when all are done.

        Not a coroutine on purpose: two calls one after the other reach each log in that order,
        which idempotent producers with five requests in flight rely on. The future raises
        `BackendUnavailable` where the outcome is not known.
        """
        ...

    def append_one(
        self, log: LogId, batch: bytes | memoryview, leader_epoch: int, *, acks: int
    ) -> OneAppend:
        """As `append` of one batch, in order with that."""
        future = self.append([Append(log, batch, leader_epoch)], acks=acks)
        return _new_tuple(OneAppend, (future, 0))

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        """Raises `BackendUnavailable`. Cancelling it takes the waiter away from the logs."""
        ...

    async def list_offsets(self, queries: Sequence[OffsetQuery]) -> list[OffsetResult]:
        """Raises `BackendUnavailable`."""
        ...

    async def epoch_end_offsets(self, queries: Sequence[EpochQuery]) -> list[EpochEndOffset]:
        """Raises `BackendUnavailable`."""
        ...

    async def describe_logs(self, logs: Sequence[LogId]) -> list[LogDescription]:
        """Raises `BackendUnavailable`."""
        ...
