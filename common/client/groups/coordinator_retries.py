"""Retries of calls to coordinators that move, load or restart, for a bounded time.

`common/ports/group_request.py` says which requests may be retried in doubt.
"""

import asyncio
from asyncio import Future
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from common.ports.group_errors import GroupRefusal
from common.ports.group_request import CoordinatorRequest, ReplyT
from common.ports.unavailable import BackendUnavailable, CallNotSent, OwnerLost
from common.runtime.backoff import Backoff
from common.runtime.notifier import Notifier

#: States that end by themselves, mostly within milliseconds. The call had no effect.
_RETRIABLE: Final = (GroupRefusal.NOT_COORDINATOR, GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS)

#: A coordinator that replies later than this has kept the call waiting for other members.
_KEPT_S: Final = 1.0

#: How long a call waits for a coordinator to which there is no connection.
_LOST_HOLD_S: Final = 1.0

#: The first and the longest delay between two attempts while the view stays the same.
_RETRY_S_FIRST: Final = 0.02
_RETRY_S_MAX: Final = 0.5


class CoordinatorRetries:
    """`view_changed` must be called after every change of the cluster's view."""

    def __init__(self, hold_s: float) -> None:
        """No attempt begins later than `hold_s` after the first.

        For a call that its coordinator kept waiting for other members, that time starts again when
        the coordinator rejects it: its partition moved, or its service was lost.
        """
        self._hold_s = hold_s
        self._changes = Notifier()
        self._retries: set[asyncio.Task[Any]] = set()

    def view_changed(self) -> None:
        self._changes.notify_all()

    async def call(
        self, request: CoordinatorRequest[ReplyT], send: Callable[[], Awaitable[ReplyT]]
    ) -> ReplyT:
        """Returns the coordinator's reply.

        `send` finds the coordinator, as of now, and sends it the request. It raises `CallNotSent`
        where there is none.

        Raises:
            BackendUnavailable: no reply in time, or none to a request that must not be retried.
        """
        return await self._retry(request, send, send(), self._now())

    def follow_up(
        self,
        request: CoordinatorRequest[ReplyT],
        send: Callable[[], Awaitable[ReplyT]],
        first: "Future[ReplyT]",
    ) -> "Future[ReplyT]":
        """Returns the future reply, as `call` does, given a first attempt that is under way.

        It takes no task where the first reply is final. A caller that cancels ends all attempts,
        except the first one where the request outlives its caller.
        """
        reply: Future[ReplyT] = asyncio.get_running_loop().create_future()
        first.add_done_callback(partial(self._on_first, reply, request, send, self._now()))
        if not request.outlives_caller:
            reply.add_done_callback(lambda _: first.cancel())
        return reply

    def _on_first(
        self,
        reply: "Future[ReplyT]",
        request: CoordinatorRequest[ReplyT],
        send: Callable[[], Awaitable[ReplyT]],
        began: float,
        first: "Future[ReplyT]",
    ) -> None:
        has_failed = first.cancelled() or first.exception() is not None
        if reply.done():
            # The caller has cancelled.
            return
        if not has_failed and first.result().refusal not in _RETRIABLE:
            reply.set_result(first.result())
            return
        retry = self._retry(request, send, first, began)
        task = asyncio.get_running_loop().create_task(retry)
        self._retries.add(task)
        task.add_done_callback(self._retries.discard)
        task.add_done_callback(partial(_hand_over, reply))
        reply.add_done_callback(lambda _: task.cancel())

    async def _retry(
        self,
        request: CoordinatorRequest[ReplyT],
        send: Callable[[], Awaitable[ReplyT]],
        attempt: Awaitable[ReplyT],
        began: float,
    ) -> ReplyT:
        """Returns the reply to `attempt`, which began at `began`, or to one of those after it."""
        backoff = Backoff(_RETRY_S_FIRST, _RETRY_S_MAX)
        deadline, lost_deadline = began + self._hold_s, 0.0
        is_in_doubt = False
        while True:
            try:
                reply = await attempt
            except BackendUnavailable as error:
                was_sent = not isinstance(error, CallNotSent)
                deadline = self._extended(deadline, request, began)
                # A join or sync waits for other members anyway.
                if isinstance(error, OwnerLost) and not request.waits_for_members:
                    lost_deadline = lost_deadline or self._now() + _LOST_HOLD_S
                    deadline = min(deadline, lost_deadline)
                if self._now() >= deadline or (was_sent and not request.is_idempotent):
                    raise
                is_in_doubt = is_in_doubt or was_sent
            else:
                deadline = self._extended(deadline, request, began)
                if reply.refusal not in _RETRIABLE or self._now() >= deadline:
                    return request.adapt_retried(reply) if is_in_doubt else reply
            await self._changes.wait(min(self._now() + backoff.next_s(), deadline))
            attempt, began = send(), self._now()

    def _extended(self, deadline: float, request: CoordinatorRequest[Any], began: float) -> float:
        """Returns the deadline after an attempt: a new one if the coordinator kept the call."""
        now = self._now()
        has_waited = request.waits_for_members and now - began > _KEPT_S
        return now + self._hold_s if has_waited else deadline

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _hand_over(reply: "Future[ReplyT]", task: "asyncio.Task[ReplyT]") -> None:
    """Gives the outcome of the task to the caller."""
    if reply.done():
        return
    error = BackendUnavailable("was cancelled") if task.cancelled() else task.exception()
    if error is not None:
        reply.set_exception(error)
    else:
        reply.set_result(task.result())
