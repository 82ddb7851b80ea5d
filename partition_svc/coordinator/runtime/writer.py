"""Writes the records of many groups to their partition, and holds back answers until it is done.

One append at a time: what comes while it is on its way goes together with the next, as with any
group commit. So records stay in the order in which groups gave them. What one call to a group came
to is in one batch as far as a batch may be so large: the log has all of it or nothing.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from time import time
from typing import Any, Final

from common.ports.group_errors import GroupRefusal
from common.ports.partitions import ACKS_ALL, Append, AppendResult, LogId, Partitions, Refusal
from common.ports.unavailable import BackendUnavailable
from common.records.batch import HEADER_BYTES
from common.records.records import Record as LogRecord
from common.records.records import write_batch
from partition_svc.coordinator.records.group_records import RecordEntry, encode
from partition_svc.coordinator.records.result import CoordinatorResult, PendingReply, Reply

#: Of a record: length, attributes, deltas, lengths of key and value, header count.
_RECORD_BYTES: Final = 40
#: Writing one batch is one turn of the loop: about 5 ms for so much. A larger one is of one call.
_BATCH_BYTES: Final = 256 << 10

#: Somebody else has the partition, or will; all else is trouble with the storage here.
_ELSEWHERE: Final = (
    Refusal.NOT_OWNER,
    Refusal.UNKNOWN_TOPIC_OR_PARTITION,
    Refusal.MOVING,
    Refusal.FENCED_LEADER_EPOCH,
    Refusal.UNKNOWN_LEADER_EPOCH,
)


class Refused(Exception):
    """A request was not decided on, or what was decided could not be written."""

    def __init__(self, refusal: GroupRefusal) -> None:
        super().__init__(refusal.name)
        self.refusal = refusal


class RecordTooLarge(Exception):
    """A record for which the topic has no room (max.message.bytes)."""

    def __init__(self, size: int, size_max: int) -> None:
        super().__init__(f"a record takes {size} bytes, a batch of the topic {size_max} at most")


class ReplyFuture(asyncio.Future[Any]):
    """Implements `PendingReply` for a caller that awaits it."""

    def __init__(self, refused: Callable[[GroupRefusal], Any] | None = None) -> None:
        """`refused` makes the reply of a refusal; without it, that is raised as `Refused`."""
        super().__init__()
        self._refused = refused

    def resolve(self, reply: Reply) -> None:
        if not self.done():
            self.set_result(reply)

    def reject(self, refusal: GroupRefusal) -> None:
        if self.done():
            return
        if self._refused is None:
            self.set_exception(Refused(refusal))
        else:
            self.set_result(self._refused(refusal))


class _Round:
    """Records that are written together, call by call, and the answers that wait for it."""

    __slots__ = ("calls", "group_ids", "replies")

    def __init__(self) -> None:
        self.calls: list[list[RecordEntry]] = []
        self.group_ids: set[str] = set()
        self.replies: list[tuple[PendingReply, Reply]] = []


class CoordinatorWriter:
    """Of one partition, under one leader epoch. Tickets are `PendingReply`s."""

    def __init__(
        self,
        partitions: Partitions,
        log: LogId,
        leader_epoch: int,
        *,
        batch_bytes_max: Callable[[], int],
        on_failed: Callable[[GroupRefusal], None],
    ) -> None:
        """`on_failed` is called once, with the answer to everybody from then on.

        `batch_bytes_max`: the topic's max.message.bytes, which may change.
        """
        self._partitions = partitions
        self._log = log
        self._leader_epoch = leader_epoch
        self._batch_bytes_max = batch_bytes_max
        self._on_failed = on_failed
        self._loop = asyncio.get_running_loop()
        self._next = _Round()
        self._under_way: _Round | None = None
        self._is_planned = False
        self._settled: asyncio.Future[None] | None = None
        self._refusal: GroupRefusal | None = None

    def take(self, group_id: str, effects: CoordinatorResult) -> None:
        """Writes the records; gives the replies when all of the group up to here is durable.

        Raises:
            Malformed: a record has no bytes; nothing is taken.
            RecordTooLarge: a record does not fit into any batch; nothing is taken.
        """
        entries = [encode(record) for record in effects.records]
        self._check_sizes(entries)
        if self._refusal is not None:
            _reject(effects.replies, self._refusal)
        elif entries:
            self._next.calls.append(entries)
            self._next.group_ids.add(group_id)
            self._next.replies += effects.replies
            self._plan()
        elif group_id in self._next.group_ids:
            self._next.replies += effects.replies
        elif self._under_way is not None and group_id in self._under_way.group_ids:
            self._under_way.replies += effects.replies
        else:
            _resolve(effects.replies)

    def fail(self, refusal: GroupRefusal) -> None:
        """As `close`, by itself: what groups have decided cannot become true."""
        if self._refusal is None:
            self.close(refusal)
            self._on_failed(refusal)

    def close(self, refusal: GroupRefusal) -> None:
        """Writes nothing more than what is on its way, and refuses what waits to be written.

        What is on its way is answered by its outcome. To be refused with NOT_COORDINATOR means
        that a request had no effect: gateways then make it again at the next coordinator.
        """
        if self._refusal is not None:
            return
        self._refusal = refusal
        held, self._next = self._next, _Round()
        _reject(held.replies, refusal)

    async def settled(self) -> None:
        """Waits until nothing is on its way or waits to be written."""
        while not self._is_idle:
            if self._settled is None or self._settled.done():
                self._settled = self._loop.create_future()
            await asyncio.shield(self._settled)

    def _check_sizes(self, entries: Sequence[RecordEntry]) -> None:
        if not entries:
            return
        size_max = self._batch_bytes_max()
        for one in entries:
            size = HEADER_BYTES + _size(one)
            if size > size_max:
                raise RecordTooLarge(size, size_max)

    def _plan(self) -> None:
        """Writes when this turn of the loop is over, or what is on its way has arrived."""
        if self._under_way is None and not self._is_planned:
            self._is_planned = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._is_planned = False
        if not self._next.calls:
            return
        self._under_way, self._next = self._next, _Round()
        appends = [
            Append(self._log, batch, self._leader_epoch, by_coordinator=True)
            for batch in _batches(self._under_way.calls, self._batch_bytes_max())
        ]
        self._partitions.append(appends, acks=ACKS_ALL).add_done_callback(self._on_written)

    def _on_written(self, done: "asyncio.Future[list[AppendResult]]") -> None:
        assert self._under_way is not None
        written, self._under_way = self._under_way, None
        refusal = _refusal_of(done)
        if refusal is None:
            _resolve(written.replies)
            self._write()
        else:
            _reject(written.replies, refusal)
            self.fail(refusal)
        if self._settled is not None and self._is_idle and not self._settled.done():
            self._settled.set_result(None)

    @property
    def _is_idle(self) -> bool:
        return self._under_way is None and not self._next.calls


def _resolve(replies: Sequence[tuple[PendingReply, Reply]]) -> None:
    for pending, reply in replies:
        pending.resolve(reply)


def _reject(replies: Sequence[tuple[PendingReply, Reply]], refusal: GroupRefusal) -> None:
    for pending, _ in replies:
        pending.reject(refusal)


def _refusal_of(done: "asyncio.Future[list[AppendResult]]") -> GroupRefusal | None:
    try:
        refusals = [one.refusal for one in done.result() if one.refusal is not None]
    except BackendUnavailable:
        # The service is stopping; whoever owns the partition next answers.
        return GroupRefusal.NOT_COORDINATOR
    if not refusals:
        return None
    if refusals[0] in _ELSEWHERE:
        return GroupRefusal.NOT_COORDINATOR
    return GroupRefusal.COORDINATOR_NOT_AVAILABLE


def _batches(calls: Sequence[Sequence[RecordEntry]], bytes_max: int) -> Iterator[bytes]:
    """Batches of several calls up to a good size, or of one up to `bytes_max`.

    A record that is larger than that is one of its own.
    """
    now_ms = int(time() * 1000)
    good_size = min(bytes_max, _BATCH_BYTES)
    records: list[LogRecord] = []
    size = HEADER_BYTES
    for entries in calls:
        sizes = [_size(one) for one in entries]
        if records and size + sum(sizes) > good_size:
            yield write_batch(records)
            records, size = [], HEADER_BYTES
        for (key, value, headers), record_size in zip(entries, sizes, strict=True):
            if records and size + record_size > bytes_max:
                yield write_batch(records)
                records, size = [], HEADER_BYTES
            records.append(LogRecord(len(records), now_ms, key, value, headers))
            size += record_size
    yield write_batch(records)


def _size(one: RecordEntry) -> int:
    return _RECORD_BYTES + len(one.key) + len(one.value or b"") + 64 * len(one.headers)
