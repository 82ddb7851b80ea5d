"""A batch between its log, which has assigned the offsets, and the committer, which stores it."""

from asyncio import Future
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from common.ports.partitions import AppendResult, Refusal
from partition_svc.store.atomic_write import AtomicWrite


class CommittableLog(Protocol):
    """A partition log as the committer sees it; `PartitionLog` implements this.

    The committer depends on this protocol, so that the log's modules import each other in one
    direction only.
    """

    #: The reason why the log is no longer served here; None while it is.
    closed_reason: Refusal | None

    @property
    def high_watermark(self) -> int: ...

    def write(
        self, changes: AtomicWrite, staged: "Sequence[StagedBatch]", generation: int
    ) -> None: ...

    def on_written(self, staged: "Sequence[StagedBatch]") -> None: ...

    def make_readable(self, staged: "Sequence[StagedBatch]") -> None: ...

    def expect_retry(self, batch: bytes | memoryview) -> None: ...

    def rollback(self) -> None: ...

    def stage_marker(self, result: AppendResult, reply: "AppendReply") -> "StagedBatch": ...


class AppendReply:
    """The results of batches that share a reply, which is sent once the last of them is final.

    With `must_sync` they are synced to disk first. `results` has an entry for each batch from the
    moment when it is staged: success, until a failure replaces it.
    """

    __slots__ = ("completed", "future", "must_sync", "results")

    def __init__(self, future: "Future[list[AppendResult]]", *, must_sync: bool = False) -> None:
        self.future = future
        self.must_sync = must_sync
        self.results: list[AppendResult] = []
        #: Number of results that are final.
        self.completed = 0

    def expect(self, result: AppendResult) -> int:
        """Adds a batch with its expected result; returns the position of the result."""
        results = self.results
        results.append(result)
        return len(results) - 1

    def add_final(self, result: AppendResult) -> None:
        """Adds a batch whose result is final already; does not set the future."""
        self.results.append(result)
        self.completed += 1

    def complete(self, count: int = 1) -> None:
        """Records that the results of `count` more batches are final."""
        self.completed += count
        # A caller may have cancelled its future; its batches are stored nevertheless.
        if self.completed == len(self.results) and not self.future.done():
            self.future.set_result(self.results)

    def reject(self, position: int, refusal: Refusal, message: str) -> None:
        """Completes a batch that is not in the log, or not as durable as requested."""
        self.complete_with(position, AppendResult(refusal=refusal, message=message))

    def complete_with(self, position: int, result: AppendResult) -> None:
        """Completes a batch with a result other than the expected one."""
        self.results[position] = result
        self.complete()


@dataclass(slots=True, eq=False)
class StagedBatch:
    """A batch with its offsets, [`base_offset`, `next_offset`), and the epoch they belong to.

    `batch` is None for an entry that stores nothing, such as a duplicate: it only keeps its place
    in the order of replies. `producer_row` is the key and value of the producer's new state.
    `position` is that of its result in `reply`.
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
        """Completes the batch with a refusal."""
        self.reply.reject(self.position, refusal, message)
