"""The write path of a shard: appends records of many groups and replies once they are durable.

One append is in flight at a time, and the next one takes all records that arrived meanwhile (group
commit), so that records keep the order of the calls. The records of one call are in one batch if
a batch may be so large: the log then has all of them or none.
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

#: The overhead of a record: length, attributes, deltas, lengths of key and value, header count.
_RECORD_BYTES: Final = 40
#: Encoding a batch of this size keeps the loop busy for about 5 ms. Only one call may exceed it.
_BATCH_BYTES: Final = 256 << 10

#: Another member owns the partition, or will. All other refusals are storage failures here.
_NOT_OWNER: Final = (
    Refusal.NOT_OWNER,
    Refusal.UNKNOWN_TOPIC_OR_PARTITION,
    Refusal.MOVING,
    Refusal.FENCED_LEADER_EPOCH,
    Refusal.UNKNOWN_LEADER_EPOCH,
)


class CoordinatorRefused(Exception):
    """Raised when a request was not executed, or its result could not be written."""

    def __init__(self, refusal: GroupRefusal) -> None:
        super().__init__(refusal.name)
        self.refusal = refusal


class RecordTooLarge(Exception):
    """Raised when a record exceeds max.message.bytes of the topic."""

    def __init__(self, size: int, size_max: int) -> None:
        super().__init__(f"a record takes {size} bytes, a batch of the topic {size_max} at most")


class ReplyFuture(asyncio.Future[Any]):
    """Implements `PendingReply` for a caller that awaits it."""

    def __init__(self, refused: Callable[[GroupRefusal], Any] | None = None) -> None:
        """`refused` makes the reply of a refusal. None: the future raises `CoordinatorRefused`."""
        super().__init__()
        self._refused = refused

    def resolve(self, reply: Reply) -> None:
        if not self.done():
            self.set_result(reply)

    def reject(self, refusal: GroupRefusal) -> None:
        if self.done():
            return
        if self._refused is None:
            self.set_exception(CoordinatorRefused(refusal))
        else:
            self.set_result(self._refused(refusal))


class _PendingWrite:
    """Records that are appended together, by call, and the replies that wait for the append."""

    __slots__ = ("calls", "group_ids", "replies")

    def __init__(self) -> None:
        self.calls: list[list[RecordEntry]] = []
        self.group_ids: set[str] = set()
        self.replies: list[tuple[PendingReply, Reply]] = []


class CoordinatorWriter:
    """Writes to one partition under one leader epoch."""

    def __init__(
        self,
        partitions: Partitions,
        log: LogId,
        leader_epoch: int,
        *,
        batch_bytes_max: Callable[[], int],
        on_failed: Callable[[GroupRefusal], None],
    ) -> None:
        """`on_failed` is called once; its argument is the refusal of all requests from then on.

        `batch_bytes_max` returns max.message.bytes of the topic, which may change.
        """
        self._partitions = partitions
        self._log = log
        self._leader_epoch = leader_epoch
        self._batch_bytes_max = batch_bytes_max
        self._on_failed = on_failed
        self._loop = asyncio.get_running_loop()
        self._next = _PendingWrite()
        self._in_flight: _PendingWrite | None = None
        self._is_scheduled = False
        self._idle: asyncio.Future[None] | None = None
        self._refusal: GroupRefusal | None = None

    def write(self, group_id: str, result: CoordinatorResult) -> None:
        """Writes the records; replies once all records of the group up to here are durable.

        Raises:
            MalformedRecord: a record cannot be encoded; nothing is written.
            RecordTooLarge: a record does not fit into any batch; nothing is written.
        """
        entries = [encode(record) for record in result.records]
        self._check_sizes(entries)
        if self._refusal is not None:
            _reject(result.replies, self._refusal)
        elif entries:
            self._next.calls.append(entries)
            self._next.group_ids.add(group_id)
            self._next.replies += result.replies
            self._schedule()
        elif group_id in self._next.group_ids:
            self._next.replies += result.replies
        elif self._in_flight is not None and group_id in self._in_flight.group_ids:
            self._in_flight.replies += result.replies
        else:
            _resolve(result.replies)

    def fail(self, refusal: GroupRefusal) -> None:
        """Closes because results could not be written, and reports it to `on_failed`."""
        if self._refusal is None:
            self.close(refusal)
            self._on_failed(refusal)

    def close(self, refusal: GroupRefusal) -> None:
        """Refuses requests whose records have not been appended; no append follows.

        The append in flight decides its own replies. NOT_COORDINATOR means that a request had no
        effect: gateways retry it at the next coordinator.
        """
        if self._refusal is not None:
            return
        self._refusal = refusal
        rejected, self._next = self._next, _PendingWrite()
        _reject(rejected.replies, refusal)

    async def wait_idle(self) -> None:
        """Waits until no records are in flight or pending."""
        while not self._is_idle:
            if self._idle is None or self._idle.done():
                self._idle = self._loop.create_future()
            await asyncio.shield(self._idle)

    def _check_sizes(self, entries: Sequence[RecordEntry]) -> None:
        if not entries:
            return
        size_max = self._batch_bytes_max()
        for entry in entries:
            size = HEADER_BYTES + _size(entry)
            if size > size_max:
                raise RecordTooLarge(size, size_max)

    def _schedule(self) -> None:
        """Appends in the next iteration of the loop, or after the append in flight."""
        if self._in_flight is None and not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._is_scheduled = False
        if not self._next.calls:
            return
        self._in_flight, self._next = self._next, _PendingWrite()
        appends = [
            Append(self._log, batch, self._leader_epoch, by_coordinator=True)
            for batch in _batches(self._in_flight.calls, self._batch_bytes_max())
        ]
        self._partitions.append(appends, acks=ACKS_ALL).add_done_callback(self._on_appended)

    def _on_appended(self, done: "asyncio.Future[list[AppendResult]]") -> None:
        assert self._in_flight is not None
        written, self._in_flight = self._in_flight, None
        refusal = _refusal_of(done)
        if refusal is None:
            _resolve(written.replies)
            self._write()
        else:
            _reject(written.replies, refusal)
            self.fail(refusal)
        if self._idle is not None and self._is_idle and not self._idle.done():
            self._idle.set_result(None)

    @property
    def _is_idle(self) -> bool:
        return self._in_flight is None and not self._next.calls


def _resolve(replies: Sequence[tuple[PendingReply, Reply]]) -> None:
    for pending, reply in replies:
        pending.resolve(reply)


def _reject(replies: Sequence[tuple[PendingReply, Reply]], refusal: GroupRefusal) -> None:
    for pending, _ in replies:
        pending.reject(refusal)


def _refusal_of(done: "asyncio.Future[list[AppendResult]]") -> GroupRefusal | None:
    try:
        refusals = [append.refusal for append in done.result() if append.refusal is not None]
    except BackendUnavailable:
        # The service is stopping; the next owner of the partition replies.
        return GroupRefusal.NOT_COORDINATOR
    if not refusals:
        return None
    if refusals[0] in _NOT_OWNER:
        return GroupRefusal.NOT_COORDINATOR
    return GroupRefusal.COORDINATOR_NOT_AVAILABLE


def _batches(calls: Sequence[Sequence[RecordEntry]], bytes_max: int) -> Iterator[bytes]:
    """Yields batches of several calls up to `_BATCH_BYTES`, or of one call up to `bytes_max`.

    A record that is larger than that has a batch of its own.
    """
    now_ms = int(time() * 1000)
    good_size = min(bytes_max, _BATCH_BYTES)
    records: list[LogRecord] = []
    size = HEADER_BYTES
    for entries in calls:
        sizes = [_size(entry) for entry in entries]
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


def _size(entry: RecordEntry) -> int:
    return _RECORD_BYTES + len(entry.key) + len(entry.value or b"") + 64 * len(entry.headers)
