"""What is committed together: batches of any logs, ordered by what has to be done with them.

Most of the work is done once for each log and each call that waits, however many batches they have
in the group.
"""

from collections import deque
from collections.abc import Iterator

from partition_svc.log.staged_batch import AppendReply, CommittableLog, StagedBatch
from partition_svc.store.log_store import LogStore


class CommitBatch:
    """Call `write`, then `acknowledge_written`, and after a sync `acknowledge_synced`."""

    def __init__(self, queue: deque[StagedBatch], bytes_max: int) -> None:
        """Takes from the front of `queue`: `bytes_max` and one batch more, or all."""
        self._staged: list[StagedBatch] = []
        self._by_log: dict[CommittableLog, list[StagedBatch]] = {}
        self._waiting: dict[AppendReply, int] = {}  # how many batches of each are in the group
        size = 0
        while queue and size < bytes_max:
            staged = queue.popleft()
            log, batch = staged.log, staged.batch
            if log.closed_reason is not None:
                staged.reject(log.closed_reason, "the partition is gone")
                continue
            self._staged.append(staged)
            reply = staged.reply
            self._waiting[reply] = self._waiting.get(reply, 0) + 1
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
    def is_acknowledged(self) -> bool:
        return not self._waiting

    def unacknowledged(self) -> Iterator[StagedBatch]:
        return (one for one in self._staged if one.reply in self._waiting)

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

    def acknowledge_written(self) -> None:
        """Answers acks=1 and 0; what follows nothing that must be synced becomes readable."""
        synced = {one: count for one, count in self._waiting.items() if one.must_sync}
        for log, staged in self._by_log.items():
            readable = _before_synced(staged) if synced else staged
            # Not where a batch before them waits for a sync.
            if readable and log.high_watermark == readable[0].base_offset:
                log.make_readable(readable)
        for reply, count in self._waiting.items():
            if not reply.must_sync:
                reply.complete(count)
        self._waiting = synced

    def acknowledge_synced(self) -> None:
        """Answers acks=all; all of the group is readable now."""
        for log, staged in self._by_log.items():
            if staged[-1].next_offset > log.high_watermark:
                log.make_readable(staged)
        for reply, count in self._waiting.items():
            reply.complete(count)
        self._waiting = {}


def _before_synced(staged: list[StagedBatch]) -> list[StagedBatch]:
    """Those before the first that must be synced."""
    for count, one in enumerate(staged):
        if one.reply.must_sync:
            return staged[:count]
    return staged
