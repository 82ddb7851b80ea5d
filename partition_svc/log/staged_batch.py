"""An append on its way: what the log has decided and the committer has still to store."""

from asyncio import Future
from typing import TYPE_CHECKING, NamedTuple

from common.ports.partitions import AppendResult, Refusal

if TYPE_CHECKING:
    from partition_svc.log.partition_log import PartitionLog


class Submission:
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

    def settle(self, count: int = 1) -> None:
        """`count` more batches have their final result."""
        self.remaining -= count
        # The caller may have gone away; what it appended is stored all the same.
        if self.remaining == 0 and not self.future.done():
            self.future.set_result(self.results)

    def fail(self, position: int, refusal: Refusal, message: str) -> None:
        """A batch is not in the log, or not as durable as asked: its result is a refusal."""
        self.replace(position, AppendResult(refusal=refusal, message=message))

    def replace(self, position: int, result: AppendResult) -> None:
        """Settles a batch with another result than the one that was expected."""
        self.results[position] = result
        self.settle()


class Staged(NamedTuple):
    """A batch with its place in the log. `batch` None: a duplicate, which waits for its original.

    `position` is that of its result in its submission.
    """

    log: "PartitionLog"
    batch: bytes | None
    base_offset: int
    next_offset: int
    max_timestamp: int
    leader_epoch: int
    producer_row: tuple[bytes, bytes] | None
    submission: Submission
    position: int

    def fail(self, refusal: Refusal, message: str) -> None:
        """As `Submission.fail`."""
        self.submission.fail(self.position, refusal, message)
