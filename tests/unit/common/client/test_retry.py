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
WITHOUT_EPOCH, WITH_EPOCH = FetchPartition(LOG, 0, 1000), FetchPartition(LOG, 0, 1000, 3)
FETCHED = FetchResult([b"batch"])
HOLD_S = 10.0
LONG_MS = 50_000


def refused_result(refusal: Refusal) -> FetchResult:
    return FetchResult(refusal=refusal, leader_epoch=4)


class FakeOwner:
    """Returns each of `results` once, then the last one for all further requests."""

    def __init__(self, *results: FetchResult, takes_s: float = 0.0) -> None:
        self.view = view_of(topic(), partition_0="a:1")
        self.retrier = PlacementRetrier(self.view, hold_s=HOLD_S)
        self.requests: list[tuple[float, int]] = []
        self._results = list(results)
        self._takes_s = takes_s

    def change_view(self) -> None:
        self.view.apply(ClusterChange(self.view.revision + 1, CLUSTER_ID))
        self.retrier.view_changed()

    async def fetch(self, max_wait_ms: int) -> list[FetchResult]:
        self.requests.append((asyncio.get_running_loop().time(), max_wait_ms))
        await asyncio.sleep(self._takes_s)
        return [self._results.pop(0) if len(self._results) > 1 else self._results[0]]

    async def run_query(self, query: FetchPartition = WITHOUT_EPOCH, *, max_wait_ms: int = 0):
        (result,) = await self.retrier.run(self.fetch, [query], max_wait_ms=max_wait_ms)
        return result


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    run_in_virtual_time(scenario())


def test_result_is_returned_without_a_retry():
    async def scenario() -> None:
        owner = FakeOwner(FETCHED)
        assert await owner.run_query(max_wait_ms=500) is FETCHED
        assert owner.requests == [(0, 500)]

    run(scenario)


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
def test_stale_refusal_is_retried_when_the_view_changes(refusal):
    async def scenario() -> None:
        owner = FakeOwner(refused_result(refusal), FETCHED)
        asyncio.get_running_loop().call_later(0.01, owner.change_view)
        assert await owner.run_query() is FETCHED
        assert [at for at, _ in owner.requests] == [0, 0.01]

    run(scenario)


def test_query_is_retried_at_once_if_the_view_changed_during_the_attempt():
    async def scenario() -> None:
        owner = FakeOwner(refused_result(Refusal.NOT_OWNER), FETCHED, takes_s=1)
        asyncio.get_running_loop().call_later(0.5, owner.change_view)
        assert await owner.run_query() is FETCHED
        assert [at for at, _ in owner.requests] == [0, 1]

    run(scenario)


def test_query_is_retried_without_a_change_of_the_view():
    async def scenario() -> None:
        results = [refused_result(Refusal.UNKNOWN_LEADER_EPOCH)] * 3
        owner = FakeOwner(*results, FETCHED)
        assert await owner.run_query() is FETCHED
        assert [round(at, 3) for at, _ in owner.requests] == [0, 0.02, 0.06, 0.14]

    run(scenario)


def test_retried_long_poll_waits_for_its_remaining_time():
    async def scenario() -> None:
        owner = FakeOwner(refused_result(Refusal.NOT_OWNER), FETCHED, takes_s=3)
        asyncio.get_running_loop().call_later(1, owner.change_view)
        assert await owner.run_query(max_wait_ms=LONG_MS) is FETCHED
        assert owner.requests == [(0, LONG_MS), (3, LONG_MS - 3000)]

    run(scenario)


@pytest.mark.parametrize(
    ("max_wait_ms", "ends_s"), [(0, 1), (5000, 5), (LONG_MS, HOLD_S)], ids=["none", "some", "long"]
)
def test_lasting_stale_refusal_becomes_not_owner(max_wait_ms, ends_s):
    async def scenario() -> None:
        owner = FakeOwner(refused_result(Refusal.FENCED_LEADER_EPOCH))
        expired = await owner.run_query(max_wait_ms=max_wait_ms)
        assert (expired.refusal, expired.leader_epoch) == (Refusal.NOT_OWNER, 4)
        assert asyncio.get_running_loop().time() == pytest.approx(ends_s)

    run(scenario)


@pytest.mark.parametrize("refusal", [Refusal.FENCED_LEADER_EPOCH, Refusal.UNKNOWN_LEADER_EPOCH])
def test_refusal_of_a_client_epoch_is_not_retried(refusal):
    async def scenario() -> None:
        owner = FakeOwner(refused_result(refusal))
        assert (await owner.run_query(WITH_EPOCH)).refusal is refusal
        assert len(owner.requests) == 1

    run(scenario)


def test_query_with_a_client_epoch_is_retried_if_the_owner_is_wrong():
    async def scenario() -> None:
        owner = FakeOwner(
            refused_result(Refusal.NOT_OWNER), refused_result(Refusal.FENCED_LEADER_EPOCH)
        )
        assert (await owner.run_query(WITH_EPOCH)).refusal is Refusal.FENCED_LEADER_EPOCH

    run(scenario)


@pytest.mark.parametrize("refusal", [Refusal.OFFSET_OUT_OF_RANGE, Refusal.NO_RESPONSE])
def test_other_refusals_are_returned_at_once(refusal):
    async def scenario() -> None:
        owner = FakeOwner(refused_result(refusal))
        assert (await owner.run_query()).refusal is refusal
        assert len(owner.requests) == 1

    run(scenario)


@pytest.mark.parametrize(
    "removed",
    [{"deleted_topics": [TOPIC_ID]}, {"removed_members": ["partition-0"]}],
    ids=["topic", "owner"],
)
def test_unknown_owner_or_log_is_not_retried(removed):
    async def scenario() -> None:
        owner = FakeOwner(refused_result(Refusal.NOT_OWNER))
        owner.view.apply(ClusterChange(2, CLUSTER_ID, **removed))
        assert (await owner.run_query()).refusal is Refusal.NOT_OWNER
        assert len(owner.requests) == 1

    run(scenario)


def test_owner_that_is_lost_at_the_retry_is_unavailable():
    async def scenario() -> None:
        owner = FakeOwner(refused_result(Refusal.NOT_OWNER))

        async def fetch(max_wait_ms: int) -> list[FetchResult]:
            if owner.requests:
                raise BackendUnavailable("unreachable")
            return await owner.fetch(max_wait_ms)

        with pytest.raises(BackendUnavailable, match="unreachable"):
            await owner.retrier.run(fetch, [WITHOUT_EPOCH], max_wait_ms=0)

    run(scenario)
