"""Makes calls to coordinators again while these move, load or restart, for a bounded time.

Which calls may be made again when their outcome is unknown is said in `coordinator_calls.py`.
"""

import asyncio
from asyncio import Future
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from common.client.groups.coordinator_calls import AnswerT, CoordinatorCall
from common.ports.coordinators import Coordinators
from common.ports.group_errors import GroupRefusal
from common.ports.unavailable import BackendUnavailable, CallNotSent, OwnerLost
from common.runtime.backoff import Backoff
from common.runtime.notifier import Notifier

#: They end by themselves, mostly within milliseconds. The call had no effect.
_PASSING: Final = (GroupRefusal.NOT_COORDINATOR, GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS)

#: A coordinator that answers later than this has kept the call waiting for other members.
_KEPT_S: Final = 1.0

#: How long a call waits for a coordinator to which there is no connection.
_LOST_HOLD_S: Final = 1.0

#: The first and the longest delay between two attempts while the view stays the same.
_RETRY_S_FIRST: Final = 0.02
_RETRY_S_MAX: Final = 0.5

#: Finds the coordinators to call, as of now. Raises `BackendUnavailable`.
Find = Callable[[], Awaitable[Coordinators]]


class CoordinatorRetries:
    """Whoever changes the cluster's view calls `view_changed` afterwards."""

    def __init__(self, hold_s: float) -> None:
        """A call is not made again later than `hold_s` after it was made first.

        For one that its coordinator kept waiting for other members, that time begins anew when the
        coordinator gives it up: its partition moved, or its service was lost.
        """
        self._hold_s = hold_s
        self._changes = Notifier()
        self._retries: set[asyncio.Task[Any]] = set()

    def view_changed(self) -> None:
        self._changes.notify_all()

    async def call(self, find: Find, call: CoordinatorCall[AnswerT]) -> AnswerT:
        """The coordinator's answer.

        Raises:
            BackendUnavailable: no answer in time, or none to a call that may not be made again.
        """
        return await self._retry(find, call, self._deadline(), _attempt(find, call))

    def follow_up(
        self, find: Find, call: CoordinatorCall[AnswerT], first: "Future[AnswerT]"
    ) -> "Future[AnswerT]":
        """As `call`, where `first` is under way. Needs no task where that is the answer.

        A caller that cancels ends further attempts. The first goes on: clients commit and close.
        """
        answer: Future[AnswerT] = asyncio.get_running_loop().create_future()
        begun = partial(self._on_first, answer, find, call, self._deadline())
        first.add_done_callback(begun)
        return answer

    def _on_first(
        self,
        answer: "Future[AnswerT]",
        find: Find,
        call: CoordinatorCall[AnswerT],
        deadline: float,
        first: "Future[AnswerT]",
    ) -> None:
        has_failed = first.cancelled() or first.exception() is not None
        if answer.done():
            # The caller went away.
            return
        if not has_failed and first.result().refusal not in _PASSING:
            answer.set_result(first.result())
            return
        task = asyncio.get_running_loop().create_task(self._retry(find, call, deadline, first))
        self._retries.add(task)
        task.add_done_callback(self._retries.discard)
        task.add_done_callback(partial(_hand_over, answer))
        answer.add_done_callback(lambda _: task.cancel())

    async def _retry(
        self,
        find: Find,
        call: CoordinatorCall[AnswerT],
        deadline: float,
        attempt: Awaitable[AnswerT],
    ) -> AnswerT:
        time, backoff = asyncio.get_running_loop().time, Backoff(_RETRY_S_FIRST, _RETRY_S_MAX)
        is_in_doubt, lost_deadline = False, 0.0
        while True:
            began = time()
            try:
                answer = await attempt
            except BackendUnavailable as error:
                was_sent = not isinstance(error, CallNotSent)
                deadline = self._extended(deadline, call, began)
                # A join or sync waits for other members anyway.
                if isinstance(error, OwnerLost) and not call.waits_for_members:
                    lost_deadline = lost_deadline or time() + _LOST_HOLD_S
                    deadline = min(deadline, lost_deadline)
                if time() >= deadline or (was_sent and not call.repeat_in_doubt):
                    raise
                is_in_doubt = is_in_doubt or was_sent
            else:
                deadline = self._extended(deadline, call, began)
                if answer.refusal not in _PASSING or time() >= deadline:
                    return call.recognise(answer) if is_in_doubt and call.recognise else answer
            await self._changes.wait(min(time() + backoff.next_s(), deadline))
            attempt = _attempt(find, call)

    def _extended(self, deadline: float, call: CoordinatorCall[Any], began: float) -> float:
        """The deadline after an attempt: a new one where the coordinator kept the call waiting."""
        waited_s = asyncio.get_running_loop().time() - began
        return self._deadline() if call.waits_for_members and waited_s > _KEPT_S else deadline

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._hold_s


async def _attempt(find: Find, call: CoordinatorCall[AnswerT]) -> AnswerT:
    try:
        owner = await find()
    except BackendUnavailable as error:
        raise CallNotSent(str(error)) from error
    return await call.make(owner)


def _hand_over(answer: "Future[AnswerT]", task: "asyncio.Task[AnswerT]") -> None:
    """What the task has come to becomes the answer."""
    if answer.done():
        return
    error = BackendUnavailable("was cancelled") if task.cancelled() else task.exception()
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(task.result())
