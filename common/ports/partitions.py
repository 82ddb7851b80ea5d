"""The port to partition logs: append, fetch, list offsets, describe.

Implemented by the owner of the logs (`partition_svc`) and by its gRPC clients (`common/client`).
The outcome for each partition is data, never an exception. The only exception is
`BackendUnavailable`, for a call that as a whole got no response.
"""

from asyncio import Future
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol

#: Kafka's `acks`: respond after the journal is synced (-1), written to the OS (1), or never (0).
ACKS_ALL = -1
ACKS_LEADER = 1
ACKS_NONE = 0

#: Special timestamps of ListOffsets (ListOffsetsRequest.java).
LATEST_TIMESTAMP = -1
EARLIEST_TIMESTAMP = -2
MAX_TIMESTAMP = -3

#: The owner does not check the caller's leader epoch (KIP-320).
NO_LEADER_EPOCH = -1


class Refusal(IntEnum):
    """Reasons for which a partition rejects a request.

    Numbers and names are those of partition.v1.Refusal, and names those of Kafka's errors where
    there is one (Errors.java).
    """

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
    #: The owner did not respond: it is not known whether the request took effect.
    NO_RESPONSE = 16
    #: The topic is internal: only coordinators append to it.
    INVALID_TOPIC_EXCEPTION = 17


class LogId(NamedTuple):
    """Identity of a partition log. A deleted and recreated topic has another `topic_id`."""

    topic_id: bytes  # 16 bytes
    partition: int


@dataclass(slots=True)
class Append:
    """One record batch (magic 2, as the client sent it) for the end of one log.

    `by_coordinator` is True if a coordinator of this process made the batch, so that each of its
    records has a key. Internal topics accept no other batches. A request from outside the process
    must not set it.
    """

    log: LogId
    batch: bytes | memoryview
    leader_epoch: int = NO_LEADER_EPOCH
    by_coordinator: bool = False


@dataclass(slots=True)
class RecordError:
    """A record for which its batch was rejected (KIP-467)."""

    batch_index: int
    message: str | None = None


class AppendResult(NamedTuple):
    """Offset and time of a stored batch, or a `refusal`, which is None if the batch is stored."""

    base_offset: int = -1
    log_append_time_ms: int = -1
    log_start_offset: int = -1
    refusal: Refusal | None = None
    message: str | None = None
    record_errors: tuple[RecordError, ...] = ()
    leader_epoch: int = NO_LEADER_EPOCH


@dataclass(slots=True)
class FetchPartition:
    """A read of about `max_bytes` of whole batches, from the one that has `fetch_offset`."""

    log: LogId
    fetch_offset: int
    max_bytes: int
    leader_epoch: int = NO_LEADER_EPOCH


class FetchBudget(Protocol):
    """Bytes that a query may read, shared with other queries of the same caller."""

    @property
    def remaining(self) -> int:
        """Returns the bytes that remain; zero or less if the budget is exhausted."""
        ...

    @property
    def is_low(self) -> bool:
        """True if a query must return the data it has instead of waiting for more."""
        ...

    def acquire(self, byte_count: int) -> None: ...

    def release(self, byte_count: int) -> None: ...

    async def wait_until_available(self) -> None:
        """Waits until bytes remain."""
        ...


@dataclass(slots=True)
class FetchQuery:
    """One long poll over several logs, which ends once they have `min_bytes` together.

    `max_bytes` bounds the response; its first batch is returned even if it alone is larger
    (KIP-74). The bytes read are acquired from `budget`, if there is one; the caller releases them.
    Completing `end_of_wait` ends the wait with the data that is there.
    """

    partitions: Sequence[FetchPartition]
    max_wait_ms: int
    min_bytes: int
    max_bytes: int
    read_committed: bool = False
    budget: FetchBudget | None = None
    end_of_wait: Future[None] | None = None


class AbortedTransaction(NamedTuple):
    """A transaction whose records, from `first_offset`, read_committed consumers skip."""

    producer_id: int
    first_offset: int


@dataclass(slots=True)
class FetchResult:
    """Whole batches (magic 2) in offset order, as chunks of consecutive bytes."""

    records: list[bytes | memoryview] = field(default_factory=list)
    high_watermark: int = -1
    last_stable_offset: int = -1
    log_start_offset: int = -1
    leader_epoch: int = NO_LEADER_EPOCH
    aborted: list[AbortedTransaction] | None = None
    refusal: Refusal | None = None


@dataclass(slots=True)
class OffsetQuery:
    """A request for the offset at `timestamp`: Unix time in ms, or a special negative value."""

    log: LogId
    timestamp: int
    leader_epoch: int = NO_LEADER_EPOCH
    read_committed: bool = False


@dataclass(slots=True)
class OffsetResult:
    """An offset and its timestamp; both -1, without a refusal, if no record matches."""

    offset: int = -1
    timestamp: int = -1
    leader_epoch: int = NO_LEADER_EPOCH
    refusal: Refusal | None = None


@dataclass(slots=True)
class EpochQuery:
    """A request for the end offset of `leader_epoch` (KIP-279).

    `current_leader_epoch` is the epoch that the caller believes current.
    """

    log: LogId
    leader_epoch: int
    current_leader_epoch: int = NO_LEADER_EPOCH


@dataclass(slots=True)
class EpochEndOffset:
    """The largest known epoch up to the requested one, and its end offset.

    Both are -1 if there is none (Kafka's LeaderEpochFileCache.endOffsetFor).
    """

    leader_epoch: int = NO_LEADER_EPOCH
    end_offset: int = -1
    refusal: Refusal | None = None


@dataclass(slots=True)
class LogDescription:
    """State of one log, for operators.

    `size_bytes` is the sum of the batches, not of the disk space they take. `uncleanable` is the
    reason why compaction skips the log or a part of it; empty if it does not.
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


class SubmittedAppend(NamedTuple):
    """An append in progress: its result is the one at `position` in the list of `future`.

    Other callers may wait for the same future, so cancelling a shared one has no effect.
    """

    future: "Future[list[AppendResult]]"
    position: int


class Partitions(Protocol):
    """Partition logs of one owner or of all. Results are in the order of the requests."""

    def append(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        """Starts the appends at once; the future has the results when all are done.

        A plain function, not a coroutine, so that two calls reach each log in the order of the
        calls: idempotent producers with five requests in flight rely on it. The future raises
        `BackendUnavailable` if the outcome is not known.
        """
        ...

    def append_one(
        self, log: LogId, batch: bytes | memoryview, leader_epoch: int, *, acks: int
    ) -> SubmittedAppend:
        """Starts one append, in order with the calls of `append`."""
        future = self.append([Append(log, batch, leader_epoch)], acks=acks)
        return SubmittedAppend(future, 0)

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        """Raises `BackendUnavailable`. Cancelling it removes the waiter from the logs."""
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
