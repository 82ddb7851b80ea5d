"""Appends to one partition service over one long-lived stream (`batching_stream.py`).

Only while much is under way a message has to be worth its cost, for some milliseconds; else
whatever waits leaves with the next. Results come in any order and find their append by its id.
Where the stream breaks, the outcome of everything on it is unknown.

An append that the owner refuses because the placement changed goes back to whoever holds such
appends (`pending_appends.py`); all other results go to the caller.
"""

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Final

import grpc.aio

from common.client.append.append_batch import STALE, AppendTaker, Item, Submission, Tell
from common.client.batching_stream import LongStream
from common.client.reachability import Reachability
from common.ports.partitions import Append, AppendResult, LogId
from common.ports.unavailable import BackendUnavailable
from common.rpc.messages.append import append_request, append_result_from_message
from protos.partition.v1 import partition_pb2 as pb

Stream = grpc.aio.StreamStreamCall[pb.AppendRequest, pb.AppendResponse]

#: What one message holds at most; one append may be larger.
_MESSAGE_BYTES_MAX: Final = 1 << 20
_MESSAGE_APPENDS_MAX: Final = 256

#: What may be on its way to the owner without an answer. More waits here.
_UNANSWERED_BYTES_MAX: Final = 32 << 20

#: While the owner has so much to do, a message is not sent before it holds so much: it would wait
#: there as well, and each costs the same.
_GATHERED_BYTES: Final = 256 << 10

#: An append does not wait longer than this for others to fill its message: the owner may be slow
#: with a few large batches whose records it examines, and free for everything else.
_GATHERED_S: Final = 0.02


class _Watch:
    """Somebody wants to know when `remaining` appends of a log have their answers."""

    __slots__ = ("remaining", "tell")

    def __init__(self, remaining: int, tell: Tell) -> None:
        self.remaining = remaining
        self.tell = tell


class AppendSender:
    """Sends from the first append on. A `Traffic` of its stream."""

    def __init__(
        self,
        name: str,
        open_stream: Callable[[], Stream],
        *,
        answer_timeout_s: float,
        taker: AppendTaker | None = None,
        reachability: Reachability | None = None,
    ) -> None:
        """Without a `taker` every refusal is the caller's.

        Without `reachability` the owner is never lost, and its appends wait for a connection.
        """
        self._name = name
        self._reachability = reachability
        self._stream = LongStream(name, "AppendStream", open_stream, self)
        self._answer_timeout_s = answer_timeout_s
        self._taker = taker
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Item] = deque()
        self._unanswered: dict[int, Item] = {}  # by append id, oldest first
        self._unanswered_bytes = 0
        self._watches: dict[LogId, _Watch] = {}
        self._next_id = 0
        self._timer: asyncio.TimerHandle | None = None
        if reachability is not None:
            reachability.on_lost(self._stream.abandon)

    def submit(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        """As `Partitions.append`: reach the stream in the order of the calls."""
        submission = Submission(len(appends))
        now = self._loop.time()
        for position, append in enumerate(appends):
            self._waiting.append(Item(append, acks, submission, position, now))
        self._stream.wake()
        return submission.future

    def send(self, *items: Item) -> None:
        """The same for appends of several calls."""
        self._waiting.extend(items)
        self._stream.wake()

    def when_answered(self, log: LogId, tell: Tell) -> bool:
        """As `AppendPath.when_answered`."""
        under_way = chain(self._unanswered.values(), self._waiting)
        remaining = sum(item.append.log == log for item in under_way)
        if remaining:
            self._watches[log] = _Watch(remaining, tell)
        return remaining > 0

    @property
    def is_lost(self) -> bool:
        """As `AppendPath.is_lost`."""
        return self._reachability is not None and self._reachability.is_lost

    def abandon(self, error: BackendUnavailable) -> None:
        """As `LongStream.abandon`."""
        self._stream.abandon(error)

    async def close(self) -> None:
        """Ends the stream. What has no answer yet fails."""
        if self._timer is not None:
            self._timer.cancel()
        await self._stream.close()

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiting)

    def next_message(self) -> pb.AppendRequest | None:
        if self._waiting:
            if self._may_send():
                return append_request(self._next_items())
            if self._timer is None and self._has_room:
                self._timer = self._loop.call_later(_GATHERED_S, self._on_timer)
        return None

    def received(self, response: pb.AppendResponse) -> None:
        for result in response.results:
            self._settle(result)

    def look(self) -> None:
        """Ends a stream on which an answer is overdue: the owner hangs, or is cut off."""
        oldest = next(iter(self._unanswered.values()), None)
        if oldest is not None and self._loop.time() - oldest.since > self._answer_timeout_s:
            raise BackendUnavailable(f"{self._name}: no answer in {self._answer_timeout_s} s")

    def lost(self, error: BackendUnavailable) -> None:
        lost, watches = [*self._unanswered.values(), *self._waiting], [*self._watches.values()]
        self._unanswered.clear()
        self._waiting.clear()
        self._watches.clear()
        self._unanswered_bytes = 0
        if self._taker is not None:
            self._taker.owner_lost(self._name, lost)
        for item in lost:
            item.settler.lose(item.position, error)
        for watch in watches:
            watch.tell()

    def _may_send(self) -> bool:
        if self._unanswered_bytes < _GATHERED_BYTES:
            return True
        return self._has_room and (self._is_message_full() or self._has_waited())

    @property
    def _has_room(self) -> bool:
        return self._unanswered_bytes < _UNANSWERED_BYTES_MAX

    def _has_waited(self) -> bool:
        return self._loop.time() - self._waiting[0].since >= _GATHERED_S

    def _on_timer(self) -> None:
        self._timer = None
        if self._waiting:
            self._stream.wake()

    def _is_message_full(self) -> bool:
        if len(self._waiting) >= _MESSAGE_APPENDS_MAX:
            return True
        return sum(item.size for item in self._waiting) >= _GATHERED_BYTES

    def _next_items(self) -> Iterator[tuple[int, Append, int]]:
        """As much of what waits as one message may hold; each item now counts as unanswered."""
        room = _MESSAGE_BYTES_MAX
        for count in range(_MESSAGE_APPENDS_MAX):
            if not self._waiting:
                return
            size = len(self._waiting[0].append.batch)
            if count and size > room:
                return
            room -= size
            item = self._waiting.popleft()
            append_id = self._next_id
            self._next_id = append_id + 1
            self._unanswered[append_id] = item
            self._unanswered_bytes += size
            yield append_id, item.append, item.acks

    def _settle(self, result: pb.AppendResult) -> None:
        item = self._unanswered.pop(result.append_id, None)
        if item is None:
            raise BackendUnavailable(f"{self._name}: a result for nothing that was sent")
        self._unanswered_bytes -= len(item.append.batch)
        # Before anybody may begin a new watch: that one does not count this append.
        watch = self._watches.get(item.append.log) if self._watches else None
        settled = append_result_from_message(result)
        if settled.refusal is not None and self._taker is not None and settled.refusal in STALE:
            self._taker.take_back(self, result.append_id, item, settled)
        else:
            item.settler.settle(item.position, settled)
        if watch is not None:
            watch.remaining -= 1
            if not watch.remaining:
                del self._watches[item.append.log]
                watch.tell()
