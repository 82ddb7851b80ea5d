"""Appends to one partition service over one long-lived stream (`batching_stream.py`).

All queued appends leave in the next message. While the owner is busy it is held back as long as
large appends keep arriving, and for some milliseconds if the owner has much to do. Results arrive
in any order and carry the id of their append. When the stream breaks, the outcome of everything on
it is unknown.

An append that the owner rejects for a stale placement goes to the `RejectHandler`
(`pending_appends.py`); all other results go to the caller.

Why one stream with many appends in a message: gRPC costs the same for each message, whatever it
holds. On the reference machine a stream carries 7,789 messages of 1 KiB in a second, and 120,948
items of 1 KiB when 16 share a message (docs/performance.md, limits of the machine).
"""

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Final

import grpc.aio

from common.client.append.append_call import (
    STALE,
    AppendCall,
    OnDrained,
    QueuedAppend,
    RejectHandler,
)
from common.client.batching_stream import BatchingStream
from common.client.reachability import Reachability
from common.ports.partitions import Append, AppendResult, LogId
from common.ports.unavailable import BackendUnavailable
from common.rpc.messages.append import append_request, append_result_from_message
from protos.partition.v1 import partition_pb2 as pb

Stream = grpc.aio.StreamStreamCall[pb.AppendRequest, pb.AppendResponse]

#: Limits of one message; a single append may be larger.
_MESSAGE_BYTES_MAX: Final = 1 << 20
_MESSAGE_APPENDS_MAX: Final = 256

#: While the owner has so much in flight, an append of this size waits for others, as long as each
#: loop iteration brings one: the gateway reads one large request of a connection in an iteration.
#: Smaller appends lose by waiting, and so does an idle owner.
_LARGE_BYTES: Final = 64 << 10

#: Batches sent without a response; further ones wait here.
_IN_FLIGHT_BYTES_MAX: Final = 32 << 20

#: While this much is in flight, the next message is held back until it holds as much: it would
#: wait at the owner as well, and each message costs the same.
_LINGER_BYTES: Final = 256 << 10

#: The longest time for which an append is held back: the owner may be slow with a few large batches
#: whose records it examines, and idle otherwise.
_LINGER_S: Final = 0.02


class _DrainWatch:
    """Counts down the responses that a log still awaits, then calls `on_drained`."""

    __slots__ = ("on_drained", "remaining")

    def __init__(self, remaining: int, on_drained: OnDrained) -> None:
        self.remaining = remaining
        self.on_drained = on_drained


class AppendStreamClient:
    """Opens its stream at the first append. Implements `StreamHandler`."""

    def __init__(
        self,
        name: str,
        open_stream: Callable[[], Stream],
        *,
        response_timeout_s: float,
        reject_handler: RejectHandler | None = None,
        reachability: Reachability | None = None,
    ) -> None:
        """Without a `reject_handler` every refusal goes to the caller.

        Without `reachability` the owner is never lost, and its appends wait for a connection.
        """
        self._name = name
        self._reachability = reachability
        self._stream = BatchingStream(name, "AppendStream", open_stream, self)
        self._response_timeout_s = response_timeout_s
        self._reject_handler = reject_handler
        self._loop = asyncio.get_running_loop()
        self._queue: deque[QueuedAppend] = deque()
        self._in_flight: dict[int, QueuedAppend] = {}  # by append id, oldest first
        self._in_flight_bytes = 0
        self._watches: dict[LogId, _DrainWatch] = {}
        self._next_id = 0
        self._timer: asyncio.TimerHandle | None = None
        self._newest: QueuedAppend | None = None  # the last one when the queue was last gathering
        if reachability is not None:
            reachability.on_lost(self._stream.abandon)

    def submit(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        """Sends appends; see `Partitions.append`. They are sent in the order of the calls."""
        submission = AppendCall(len(appends))
        now = self._loop.time()
        for position, append in enumerate(appends):
            self._queue.append(QueuedAppend(append, acks, submission, position, now))
        self._stream.wake()
        return submission.future

    def send(self, *items: QueuedAppend) -> None:
        """See `AppendChannel.send`."""
        self._queue.extend(items)
        self._stream.wake()

    def notify_when_drained(self, log: LogId, on_drained: OnDrained) -> bool:
        """See `AppendChannel.notify_when_drained`."""
        pending = chain(self._in_flight.values(), self._queue)
        remaining = sum(item.append.log == log for item in pending)
        if remaining:
            self._watches[log] = _DrainWatch(remaining, on_drained)
        return remaining > 0

    @property
    def is_lost(self) -> bool:
        """See `AppendChannel.is_lost`."""
        return self._reachability is not None and self._reachability.is_lost

    def abandon(self, error: BackendUnavailable) -> None:
        """See `BatchingStream.abandon`."""
        self._stream.abandon(error)

    async def close(self) -> None:
        """Ends the stream. Appends without a response fail."""
        if self._timer is not None:
            self._timer.cancel()
        await self._stream.close()

    @property
    def has_queued(self) -> bool:
        return bool(self._queue)

    def next_message(self) -> pb.AppendRequest | None:
        if self._queue:
            if self._may_send():
                return None if self._is_gathering() else append_request(self._next_items())
            if self._timer is None and self._has_room:
                self._timer = self._loop.call_later(_LINGER_S, self._on_timer)
        return None

    def on_response(self, response: pb.AppendResponse) -> None:
        for result in response.results:
            self._complete(result)

    def check_timeouts(self) -> None:
        """Raises `BackendUnavailable` if a response is overdue: the owner hangs, or is cut off."""
        oldest = next(iter(self._in_flight.values()), None)
        if oldest is not None and self._loop.time() - oldest.since > self._response_timeout_s:
            raise BackendUnavailable(f"{self._name}: no response in {self._response_timeout_s} s")

    def on_lost(self, error: BackendUnavailable) -> None:
        lost, watches = [*self._in_flight.values(), *self._queue], [*self._watches.values()]
        self._in_flight.clear()
        self._queue.clear()
        self._newest = None
        self._watches.clear()
        self._in_flight_bytes = 0
        if self._reject_handler is not None:
            self._reject_handler.on_owner_lost(self._name, lost)
        for item in lost:
            item.callback.fail(item.position, error)
        for watch in watches:
            watch.on_drained()

    def _may_send(self) -> bool:
        if self._in_flight_bytes < _LINGER_BYTES:
            return True
        return self._has_room and (self._has_queued(_LINGER_BYTES) or self._lingered())

    def _is_gathering(self) -> bool:
        """Returns True to wait for another large append; then this is called again soon."""
        newest = self._queue[-1]
        if (
            self._in_flight_bytes < _LARGE_BYTES
            or newest is self._newest
            or newest.size < _LARGE_BYTES
            or self._has_queued(_MESSAGE_BYTES_MAX)
        ):
            self._newest = None
            return False
        self._newest = newest
        self._loop.call_soon(self._stream.wake)
        return True

    @property
    def _has_room(self) -> bool:
        return self._in_flight_bytes < _IN_FLIGHT_BYTES_MAX

    def _lingered(self) -> bool:
        return self._loop.time() - self._queue[0].since >= _LINGER_S

    def _on_timer(self) -> None:
        self._timer = None
        if self._queue:
            self._stream.wake()

    def _has_queued(self, byte_count: int) -> bool:
        """Returns True if the queue has `byte_count`, or as many appends as a message."""
        if len(self._queue) >= _MESSAGE_APPENDS_MAX:
            return True
        return sum(item.size for item in self._queue) >= byte_count

    def _next_items(self) -> Iterator[tuple[int, Append, int]]:
        """Takes as many appends from the queue as one message may hold. They are in flight then."""
        room = _MESSAGE_BYTES_MAX
        for count in range(_MESSAGE_APPENDS_MAX):
            if not self._queue:
                return
            size = len(self._queue[0].append.batch)
            if count and size > room:
                return
            room -= size
            item = self._queue.popleft()
            append_id = self._next_id
            self._next_id = append_id + 1
            self._in_flight[append_id] = item
            self._in_flight_bytes += size
            yield append_id, item.append, item.acks

    def _complete(self, result: pb.AppendResult) -> None:
        item = self._in_flight.pop(result.append_id, None)
        if item is None:
            raise BackendUnavailable(f"{self._name}: a result for an append that was not sent")
        self._in_flight_bytes -= len(item.append.batch)
        # Read first: a watch that the reject handler begins does not count this append.
        watch = self._watches.get(item.append.log) if self._watches else None
        outcome = append_result_from_message(result)
        if (
            outcome.refusal is not None
            and self._reject_handler is not None
            and outcome.refusal in STALE
        ):
            self._reject_handler.requeue(self, result.append_id, item, outcome)
        else:
            item.callback.complete(item.position, outcome)
        if watch is not None:
            watch.remaining -= 1
            if not watch.remaining:
                del self._watches[item.append.log]
                watch.on_drained()
