import asyncio
from collections.abc import Awaitable, Callable

import pytest

from common.client.retry import PlacementRetrier
from common.ports.metadata import ClusterChange
from common.ports.partitions import FetchPartition, FetchResult, LogId, Refusal
from common.ports.unavailable import BackendUnavailable
from tests.support.stores.partition_core import CLUSTER_ID, TOPIC_ID, topic
from tests.support.virtual_time import run_in_virtual_time
from tests.unit.common.client.owner import view_of

LOG = LogId(TOPIC_ID, 0)
OURS, CLIENTS = FetchPartition(LOG, 0, 1000), FetchPartition(LOG, 0, 1000, 3)
STORED = FetchResult([b"batch"])
HOLD_S = 10.0
LONG_MS = 50_000


def refused(refusal: Refusal) -> FetchResult:
    return FetchResult(refusal=refusal, leader_epoch=4)


class Owner:
    """Answers one after the other of `answers`, then the last one for ever."""

    def __init__(self, *answers: FetchResult, takes_s: float = 0.0) -> None:
        self.view = view_of(topic(), partition_0="a:1")
        self.asking = PlacementRetrier(self.view, hold_s=HOLD_S)
        self.asked: list[tuple[float, int]] = []
        self._answers = list(answers)
        self._takes_s = takes_s

    def news(self) -> None:
        self.view.apply(ClusterChange(self.view.revision + 1, CLUSTER_ID))
        self.asking.view_changed()

    async def ask(self, max_wait_ms: int) -> list[FetchResult]:
        self.asked.append((asyncio.get_running_loop().time(), max_wait_ms))
        await asyncio.sleep(self._takes_s)
        return [self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]]

    async def answer(self, question: FetchPartition = OURS, *, max_wait_ms: int = 0):
        (one,) = await self.asking.run(self.ask, [question], max_wait_ms=max_wait_ms)
        return one


def run(story: Callable[[], Awaitable[None]]) -> None:
    run_in_virtual_time(story())


def test_an_answer_is_the_answer():
    async def story() -> None:
        owner = Owner(STORED)
        assert await owner.answer(max_wait_ms=500) is STORED
        assert owner.asked == [(0, 500)]

    run(story)


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal.NOT_OWNER,
        Refusal.MOVING,
        Refusal.UNKNOWN_TOPIC_OR_PARTITION,
        Refusal.FENCED_LEADER_EPOCH,
        Refusal.UNKNOWN_LEADER_EPOCH,
    ],
)
def test_what_another_placement_will_change_is_asked_again_when_the_view_changes(refusal):
    async def story() -> None:
        owner = Owner(refused(refusal), STORED)
        asyncio.get_running_loop().call_later(0.01, owner.news)
        assert await owner.answer() is STORED
        assert [at for at, _ in owner.asked] == [0, 0.01]

    run(story)


def test_it_is_asked_at_once_where_the_view_changed_while_the_owner_answered():
    async def story() -> None:
        owner = Owner(refused(Refusal.NOT_OWNER), STORED, takes_s=1)
        asyncio.get_running_loop().call_later(0.5, owner.news)
        assert await owner.answer() is STORED
        assert [at for at, _ in owner.asked] == [0, 1]

    run(story)


def test_an_owner_that_hears_later_than_we_is_asked_again_without_news():
    async def story() -> None:
        answers = [refused(Refusal.UNKNOWN_LEADER_EPOCH)] * 3
        owner = Owner(*answers, STORED)
        assert await owner.answer() is STORED
        assert [round(at, 3) for at, _ in owner.asked] == [0, 0.02, 0.06, 0.14]

    run(story)


def test_a_long_poll_goes_on_for_what_is_left_of_its_time():
    async def story() -> None:
        owner = Owner(refused(Refusal.NOT_OWNER), STORED, takes_s=3)
        asyncio.get_running_loop().call_later(1, owner.news)
        assert await owner.answer(max_wait_ms=LONG_MS) is STORED
        assert owner.asked == [(0, LONG_MS), (3, LONG_MS - 3000)]

    run(story)


@pytest.mark.parametrize(
    ("max_wait_ms", "ends_s"), [(0, 1), (5000, 5), (LONG_MS, HOLD_S)], ids=["none", "some", "long"]
)
def test_what_does_not_end_is_told_as_nobody_s(max_wait_ms, ends_s):
    async def story() -> None:
        owner = Owner(refused(Refusal.FENCED_LEADER_EPOCH))
        given_up = await owner.answer(max_wait_ms=max_wait_ms)
        assert (given_up.refusal, given_up.leader_epoch) == (Refusal.NOT_OWNER, 4)
        assert asyncio.get_running_loop().time() == pytest.approx(ends_s)

    run(story)


@pytest.mark.parametrize("refusal", [Refusal.FENCED_LEADER_EPOCH, Refusal.UNKNOWN_LEADER_EPOCH])
def test_what_the_owner_says_of_the_client_s_epoch_goes_to_the_client(refusal):
    async def story() -> None:
        owner = Owner(refused(refusal))
        assert (await owner.answer(CLIENTS)).refusal is refusal
        assert len(owner.asked) == 1

    run(story)


def test_a_client_s_question_is_asked_again_where_the_owner_is_the_wrong_one():
    async def story() -> None:
        owner = Owner(refused(Refusal.NOT_OWNER), refused(Refusal.FENCED_LEADER_EPOCH))
        assert (await owner.answer(CLIENTS)).refusal is Refusal.FENCED_LEADER_EPOCH

    run(story)


@pytest.mark.parametrize("refusal", [Refusal.OFFSET_OUT_OF_RANGE, Refusal.NO_RESPONSE])
def test_other_refusals_are_told_at_once(refusal):
    async def story() -> None:
        owner = Owner(refused(refusal))
        assert (await owner.answer()).refusal is refusal
        assert len(owner.asked) == 1

    run(story)


@pytest.mark.parametrize(
    "gone", [{"topics_gone": [TOPIC_ID]}, {"members_gone": ["partition-0"]}], ids=["topic", "owner"]
)
def test_nobody_is_waited_for_who_is_not_known(gone):
    async def story() -> None:
        owner = Owner(refused(Refusal.NOT_OWNER))
        owner.view.apply(ClusterChange(2, CLUSTER_ID, **gone))
        assert (await owner.answer()).refusal is Refusal.NOT_OWNER
        assert len(owner.asked) == 1

    run(story)


def test_an_owner_that_is_gone_when_asked_again_is_unavailable():
    async def story() -> None:
        owner = Owner(refused(Refusal.NOT_OWNER))

        async def ask(max_wait_ms: int) -> list[FetchResult]:
            if owner.asked:
                raise BackendUnavailable("gone")
            return await owner.ask(max_wait_ms)

        with pytest.raises(BackendUnavailable, match="gone"):
            await owner.asking.run(ask, [OURS], max_wait_ms=0)

    run(story)
