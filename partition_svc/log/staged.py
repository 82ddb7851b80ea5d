"""An append on its way: what the log has decided and the committer has still to store."""

from asyncio import Future
from typing import TYPE_CHECKING

from common.ports.partitions import NO_LEADER_EPOCH, AppendResult, Refusal

if TYPE_CHECKING:
    from partition_svc.log.partition_log import PartitionLog


class Submission:
    """One call of `append`: answered when the last of its batches is."""

    __slots__ = ("future", "remaining", "results")

    def __init__(self, future: "Future[list[AppendResult]]") -> None:
        self.future = future
        self.results: list[AppendResult] = []
        self.remaining = 0

    def settle(self, count: int = 1) -> None:
        """`count` more batches have their final result."""
        self.remaining -= count
        # The caller may have gone away; what it appended is stored all the same.
        if self.remaining == 0 and not self.future.done():
            self.future.set_result(self.results)


class Staged:
    """A batch with its place in the log. `batch` None: a duplicate, which waits for its original.

    `result` is what its producer will see; it says "stored" until something fails.
    """

    __slots__ = (
        "base_offset", "batch", "leader_epoch", "log", "max_timestamp", "must_sync", "next_offset",
        "producer_row", "result", "submission",
    )  # fmt: skip

    def __init__(
        self,
        log: "PartitionLog",
        batch: bytes | None,
        base_offset: int,
        next_offset: int,
        result: AppendResult,
    ) -> None:
        self.log = log
        self.batch = batch
        self.base_offset = base_offset
        self.next_offset = next_offset
        self.result = result
        self.max_timestamp = -1
        self.leader_epoch = NO_LEADER_EPOCH
        self.producer_row: tuple[bytes, bytes] | None = None
        self.must_sync = False
        self.submission: Submission | None = None

    def settle(self) -> None:
        """The result is final."""
        assert self.submission is not None
        self.submission.settle()

    def fail(self, refusal: Refusal, message: str) -> None:
        """It is not in the log, or not as durable as asked: the result becomes a refusal."""
        result = self.result
        result.base_offset = result.log_append_time_ms = result.log_start_offset = -1
        result.refusal = refusal
        result.message = message
        self.settle()
