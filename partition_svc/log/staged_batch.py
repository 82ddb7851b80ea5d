"""A batch between its log, which has assigned the offsets, and the committer, which stores it."""

from asyncio import Future
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from common.ports.partitions import AppendResult, Refusal
from partition_svc.store.atomic_write import Group


class CommittableLog(Protocol):
    """A partition log as the committer sees it; `PartitionLog` implements this.

    The committer depends on this protocol, so that the log's modules import each other in one
    direction only.
    """

    #: The reason why the log is not served here any more; None while it is.
    closed_reason: Refusal | None

    @property
    def high_watermark(self) -> int: ...

    def write(self, group: Group, staged: "Sequence[StagedBatch]", generation: int) -> None: ...

    def on_written(self, staged: "Sequence[StagedBatch]") -> None: ...

    def make_readable(self, staged: "Sequence[StagedBatch]") -> None: ...

    def expect_retry(self, batch: bytes | memoryview) -> None: ...

    def rollback(self) -> None: ...

    def stage_marker(self, result: AppendResult, reply: "AppendReply") -> "StagedBatch": ...


class AppendReply:
    """Batches that are answered together, when the last of them has its final result.

    `must_sync`: they are to survive the loss of power first. A batch's result is in `results` from
    the start; it says "stored" until something fails.
    """

    __slots__ = ("future", "must_sync", "remaining", "results")

    def __init__(self, future: "Future[list[AppendResult]]", *, must_sync: bool = False) -> None:
        self.future = future
        self.must_sync = must_sync
        self.results: list[AppendResult] = []
        self.remaining = 0

    def expect(self, result: AppendResult) -> int:
        """One more batch; the position of its result."""
        results = self.results
        position = len(results)
        results.append(result)
        self.remaining += 1
        return position

    def complete(self, count: int = 1) -> None:
        """`count` more batches have their final result."""
        self.remaining -= count
        # The caller may have gone away; what it appended is stored all the same.
        if self.remaining == 0 and not self.future.done():
            self.future.set_result(self.results)

    def reject(self, position: int, refusal: Refusal, message: str) -> None:
        """A batch is not in the log, or not as durable as asked: its result is a refusal."""
        self.complete_with(position, AppendResult(refusal=refusal, message=message))

    def complete_with(self, position: int, result: AppendResult) -> None:
        """Settles a batch with another result than the one that was expected."""
        self.results[position] = result
        self.complete()


class StagedBatch(NamedTuple):
    """A batch with its place in the log. `batch` None: a duplicate, which waits for its original.

    `position` is that of its result in its reply.
    """

    log: CommittableLog
    batch: bytes | None
    base_offset: int
    next_offset: int
    max_timestamp: int
    leader_epoch: int
    producer_row: tuple[bytes, bytes] | None
    reply: AppendReply
    position: int

    def reject(self, refusal: Refusal, message: str) -> None:
        """As `AppendReply.fail`."""
        self.reply.reject(self.position, refusal, message)
