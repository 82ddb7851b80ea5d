"""What is committed together: batches of any logs, ordered by what has to be done with them.

Most of the work is done once for each log and each call that waits, however many batches they have
in the group.
"""

from collections import deque
from collections.abc import Iterator

from partition_svc.log.staged_batch import CommittableLog, Staged, Submission
from partition_svc.store.log_store import LogStore


class CommitGroup:
    """Takes what is next, then: `write`, `answer_written`, and after a sync `answer_synced`."""

    def __init__(self, queue: deque[Staged], bytes_max: int) -> None:
        """Takes from the front of `queue`: `bytes_max` and one batch more, or all."""
        self._staged: list[Staged] = []
        self._by_log: dict[CommittableLog, list[Staged]] = {}
        self._waiting: dict[Submission, int] = {}  # how many batches of each are in the group
        size = 0
        while queue and size < bytes_max:
            staged = queue.popleft()
            log, batch = staged.log, staged.batch
            if log.gone is not None:
                staged.fail(log.gone, "the partition is gone")
                continue
            self._staged.append(staged)
            submission = staged.submission
            self._waiting[submission] = self._waiting.get(submission, 0) + 1
            if batch is not None:
                size += len(batch)
                if log in self._by_log:
                    self._by_log[log].append(staged)
                else:
                    self._by_log[log] = [staged]
        self._size_bytes = size

    def __bool__(self) -> bool:
        return bool(self._staged)

    @property
    def is_answered(self) -> bool:
        return not self._waiting

    def unanswered(self) -> Iterator[Staged]:
        return (one for one in self._staged if one.submission in self._waiting)

    def write(self, store: LogStore) -> None:
        """In one atomic write, unless there are only duplicates. Raises `StorageFailed`."""
        if not self._by_log:
            return
        group, generation = store.new_group(), store.generation
        for log, staged in self._by_log.items():
            log.write(group, staged, generation)
        store.write(group, self._size_bytes)
        for log, staged in self._by_log.items():
            log.on_written(staged)

    def answer_written(self) -> None:
        """Answers acks=1 and 0; what follows nothing that must be synced becomes readable."""
        synced = {one: count for one, count in self._waiting.items() if one.must_sync}
        for log, staged in self._by_log.items():
            readable = _before_synced(staged) if synced else staged
            # Not where a batch before them waits for a sync.
            if readable and log.high_watermark == readable[0].base_offset:
                log.make_readable(readable)
        for submission, count in self._waiting.items():
            if not submission.must_sync:
                submission.settle(count)
        self._waiting = synced

    def answer_synced(self) -> None:
        """Answers acks=all; all of the group is readable now."""
        for log, staged in self._by_log.items():
            if staged[-1].next_offset > log.high_watermark:
                log.make_readable(staged)
        for submission, count in self._waiting.items():
            submission.settle(count)
        self._waiting = {}


def _before_synced(staged: list[Staged]) -> list[Staged]:
    """Those before the first that must be synced."""
    for count, one in enumerate(staged):
        if one.submission.must_sync:
            return staged[:count]
    return staged
