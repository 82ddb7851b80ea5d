"""Questions to owners that are asked again when the placement turns out to be another one.

An owner may refuse because the partition has gone elsewhere, or because it has not heard yet that
it came. Both end when everybody has heard of the change, mostly within milliseconds; so the answer
is waited for, and clients see latency in place of an error.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from common.client.append.append_batch import STALE
from common.client.leader_epochs import Question, is_clients
from common.cluster.view import ClusterView
from common.ports.partitions import EpochEndOffset, FetchResult, OffsetResult, Refusal
from common.runtime.backoff import Backoff
from common.runtime.notifier import Notifier

AnswerT = TypeVar("AnswerT", FetchResult, OffsetResult, EpochEndOffset)

#: Asks all questions, and may wait so many milliseconds for data.
Ask = Callable[[int], Awaitable[list[AnswerT]]]

_EPOCH_REFUSALS: Final = (Refusal.FENCED_LEADER_EPOCH, Refusal.UNKNOWN_LEADER_EPOCH)

#: Also a question that is to wait for nothing may wait so long for the owner to be known.
_WAIT_S_MIN: Final = 1.0

#: The first and the longest delay between two attempts while the view stays the same.
_RETRY_S_FIRST: Final = 0.02
_RETRY_S_MAX: Final = 0.5


class AskingAgain:
    """Tell it of every change of the view, after the view has it."""

    def __init__(self, view: ClusterView, *, hold_s: float) -> None:
        """It is not asked again later than `hold_s` after an owner was first found to be wrong."""
        self._view = view
        self._hold_s = hold_s
        self._changes = Notifier()

    def view_changed(self) -> None:
        self._changes.notify_all()

    async def ask(
        self, ask: Ask[AnswerT], questions: Sequence[Question], *, max_wait_ms: int
    ) -> list[AnswerT]:
        """The answers of `ask`, which is called once, save where an owner sees another placement.

        An epoch that the client gave is between it and the owner: what the owner says of it is the
        answer. A refusal of ours becomes NOT_OWNER if it does not end.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        revision = self._view.revision
        answers = await ask(max_wait_ms)
        until, backoff = 0.0, Backoff(_RETRY_S_FIRST, _RETRY_S_MAX)
        while stale := self._stale(questions, answers):
            now = loop.time()
            left_s = max(0.0, began + max_wait_ms / 1000 - now)
            until = until or now + min(self._hold_s, max(left_s, _WAIT_S_MIN))
            if now >= until:
                return _not_owned(answers, stale)
            if self._view.revision == revision:
                await self._changes.wait(min(now + backoff.next_s(), until))
                left_s = max(0.0, began + max_wait_ms / 1000 - loop.time())
            revision = self._view.revision
            answers = await ask(int(left_s * 1000))
        return answers

    def _stale(self, questions: Sequence[Question], answers: Sequence[AnswerT]) -> list[int]:
        """Positions of the answers that another placement will change."""
        return [
            at
            for at, one in enumerate(answers)
            if one.refusal is not None and self._is_stale(questions[at], one.refusal)
        ]

    def _is_stale(self, question: Question, refusal: Refusal) -> bool:
        if refusal not in STALE or (refusal in _EPOCH_REFUSALS and is_clients(question)):
            return False
        placement = self._view.placement(*question.log)
        return placement is not None and self._view.member(placement.owner) is not None


def _not_owned(answers: Sequence[AnswerT], stale: Sequence[int]) -> list[AnswerT]:
    given_up = list(answers)
    for at in stale:
        given_up[at] = replace(given_up[at], refusal=Refusal.NOT_OWNER)
    return given_up
