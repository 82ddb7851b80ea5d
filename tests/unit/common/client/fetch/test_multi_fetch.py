import asyncio

import pytest

from common.client.fetch.multi_fetch import multi_fetch
from common.ports.partitions import (
    ACKS_ALL,
    Append,
    FetchPartition,
    FetchQuery,
    FetchResult,
    LogId,
    Refusal,
)
from common.ports.unavailable import BackendUnavailable
from tests.support.stores.partition_core import batch, query
from tests.support.virtual_time import run_in_virtual_time
from tests.unit.common.client.real_owners import LOGS, real_owners

_FOREVER_MS = 50_000


class Owner:
    """Has some bytes for each of its partitions, and more when the test says so."""

    def __init__(self, *sizes: int, ends_waits: bool = True) -> None:
        self.sizes = list(sizes)
        self.grown = asyncio.Event()
        self.min_bytes: list[int] = []
        self.refusal: Refusal | None = None
        self.is_gone = False
        self.gives_up_early = False
        self.ends_waits = ends_waits
        self.answered = 0

    def grow(self, byte_count: int) -> None:
        self.sizes[0] += byte_count
        self.grown.set()

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        if self.is_gone:
            raise BackendUnavailable("gone")
        self.min_bytes.append(query.min_bytes)
        answers_at_once = self.gives_up_early or self.refusal is not None
        while query.max_wait_ms and sum(self.sizes) < query.min_bytes and not answers_at_once:
            self.grown.clear()
            if query.end_of_wait is not None and self.ends_waits:
                query.end_of_wait.add_done_callback(lambda _: self.grown.set())
            await self.grown.wait()
            if query.end_of_wait is not None and query.end_of_wait.done():
                break
        self.answered += 1
        return [
            FetchResult([b"x" * size] if size else [], refusal=self.refusal) for size in self.sizes
        ]


def ask(
    owners: dict[Owner, list[int]], *, missing: dict[int, Refusal] | None = None, **limits: int
):
    count = sum(map(len, owners.values())) + len(missing or {})
    partitions = [FetchPartition(LogId(b"t" * 16, n), 0, 1000) for n in range(count)]
    usual = {"max_wait_ms": _FOREVER_MS, "min_bytes": 1, "max_bytes": 1 << 20}
    query = FetchQuery(partitions, **{**usual, **limits})
    return multi_fetch(query, list(owners.items()), missing or {})


def test_lost_owners_are_reported_with_the_data_of_the_others():
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        there = Owner(0)
        partitions = [FetchPartition(LogId(b"t" * 16, n), 0, 1000) for n in range(2)]
        query = FetchQuery(partitions, _FOREVER_MS, 1, 1000)
        waiting = asyncio.create_task(multi_fetch(query, [(there, [1])], {}, lost=[0]))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        there.grow(10)
        lost, found = await waiting
        assert (lost.refusal, found.refusal) == (Refusal.NO_RESPONSE, None)
        assert sizes([lost, found]) == [0, 10]
        # A consumer that is told at once would ask again at once, for as long as they are lost.
        began = loop.time()
        (only,) = await multi_fetch(
            FetchQuery(partitions[:1], _FOREVER_MS, 1, 1000), [], {}, lost=[0]
        )
        assert only.refusal is Refusal.NO_RESPONSE
        assert loop.time() - began == pytest.approx(0.5, abs=0.01)

    run_in_virtual_time(scenario())


def sizes(results: list[FetchResult]) -> list[int]:
    return [sum(map(len, one.records)) for one in results]


def run(scenario) -> None:
    async def within_limits() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(within_limits())


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("ends_waits", [True, False])
def test_owner_that_ends_waits_reads_its_partitions_once(ends_waits):
    async def scenario() -> None:
        owners = [Owner(0, ends_waits=ends_waits) for _ in range(3)]
        poll = asyncio.create_task(ask({owner: [at] for at, owner in enumerate(owners)}))
        await turns()
        assert not poll.done()
        owners[1].grow(10)
        assert sizes(await poll) == [0, 10, 0]
        expected = [1, 1, 1] if ends_waits else [1, 2, 1]
        assert [owner.answered for owner in owners] == expected
        assert [len(owner.min_bytes) for owner in owners] == [1 if ends_waits else 2] * 3

    run(scenario)


def test_owners_of_both_kinds_are_polled_as_the_older_ones_need():
    async def scenario() -> None:
        newer, older = Owner(0, 5), Owner(0, ends_waits=False)
        poll = asyncio.create_task(ask({newer: [0, 2], older: [1]}, min_bytes=10))
        await turns()
        older.grow(10)
        assert sizes(await poll) == [0, 10, 5]
        newer.is_gone = True
        results = await ask({newer: [0, 2], older: [1]}, min_bytes=10)
        assert [one.refusal for one in results] == [Refusal.NO_RESPONSE, None, Refusal.NO_RESPONSE]

    run(scenario)


def test_data_of_other_owners_until_the_end_of_the_wait_is_returned():
    async def scenario() -> None:
        first, second = Owner(0), Owner(0)
        poll = asyncio.create_task(ask({first: [0], second: [1]}, min_bytes=100))
        await turns()
        second.grow(49)  # less than its part
        await turns()
        first.grow(51)
        assert sizes(await poll) == [51, 49]
        assert len(first.min_bytes) == len(second.min_bytes) == 1

    run(scenario)


def test_available_data_is_returned_at_once_in_the_order_of_the_query():
    async def scenario() -> None:
        first, second = Owner(10, 30), Owner(20)
        assert sizes(await ask({first: [0, 2], second: [1]})) == [10, 20, 30]
        assert len(first.min_bytes) == len(second.min_bytes) == 1

    run(scenario)


def test_the_bytes_of_all_owners_count_together():
    async def scenario() -> None:
        owners = {Owner(60): [0], Owner(60): [1]}
        assert sizes(await ask(owners, min_bytes=100)) == [60, 60]

    run(scenario)


def test_small_amounts_of_several_owners_add_up():
    async def scenario() -> None:
        first, second = Owner(0), Owner(0)
        poll = asyncio.create_task(ask({first: [0], second: [1]}, min_bytes=100))
        for owner, growth in ((first, 30), (second, 30), (first, 20), (second, 10)):
            await turns()
            owner.grow(growth)
            await turns()
            assert not poll.done(), "together they have too little"
        second.grow(10)
        assert sum(sizes(await poll)) == 100

    run(scenario)


def test_timeout_ends_the_wait_with_available_data():
    async def scenario() -> None:
        assert sizes(await ask({Owner(5): [0], Owner(0): [1]}, min_bytes=100, max_wait_ms=0)) == [
            5,
            0,
        ]

    run(scenario)


def test_refusal_ends_the_poll_at_once():
    async def scenario() -> None:
        refusing = Owner(0)
        refusing.refusal = Refusal.OFFSET_OUT_OF_RANGE
        results = await ask({Owner(0): [0], refusing: [1]})
        assert [one.refusal for one in results] == [None, Refusal.OFFSET_OUT_OF_RANGE]

    run(scenario)


def test_lost_owner_ends_the_poll_at_once():
    async def scenario() -> None:
        gone = Owner(0)
        gone.is_gone = True
        results = await ask({Owner(0): [0], gone: [1]})
        assert [one.refusal for one in results] == [None, Refusal.NO_RESPONSE]

    run(scenario)


def test_owner_that_is_lost_ends_the_waits_of_the_others():
    async def scenario() -> None:
        staying, going = Owner(0), Owner(0)
        poll = asyncio.create_task(ask({staying: [0], going: [1]}, min_bytes=100))
        await turns()
        going.is_gone = True
        staying.grow(60)  # ends a round, and the next finds out
        assert [one.refusal for one in await poll] == [None, Refusal.NO_RESPONSE]

    run(scenario)


def test_partitions_without_an_owner_end_the_poll_at_once():
    async def scenario() -> None:
        results = await ask({Owner(0): [1]}, missing={0: Refusal.UNKNOWN_TOPIC_OR_PARTITION})
        assert [one.refusal for one in results] == [Refusal.UNKNOWN_TOPIC_OR_PARTITION, None]
        only = await ask({}, missing={0: Refusal.NOT_OWNER})
        assert [one.refusal for one in only] == [Refusal.NOT_OWNER]

    run(scenario)


def test_response_keeps_its_limit_after_the_first_records():
    async def scenario() -> None:
        owners = {Owner(80, 40): [0, 2], Owner(50, 20): [1, 3]}
        assert sizes(await ask(owners, max_bytes=100)) == [80, 0, 0, 20]
        assert sizes(await ask({Owner(0, 500): [0, 1], Owner(1): [2]}, max_bytes=100)) == [
            0,
            500,
            0,
        ]

    run(scenario)


def test_owner_that_reached_its_limits_ends_the_wait():
    async def scenario() -> None:
        full = Owner(50)
        full.gives_up_early = True
        assert sizes(await ask({full: [0], Owner(0): [1]}, min_bytes=100)) == [50, 0]

    run(scenario)


def test_cancelled_fetch_cancels_its_waits_at_all_owners():
    async def scenario() -> None:
        owners = {Owner(0): [0], Owner(0): [1]}
        poll = asyncio.create_task(ask(owners))
        await turns()
        others = asyncio.all_tasks() - {asyncio.current_task(), poll}
        assert len(others) == 2
        poll.cancel()
        await asyncio.wait([poll])
        assert poll.cancelled()
        assert all(task.done() for task in others)

    run(scenario)


# The same over real owners.


def run_over_real_owners(folder, scenario) -> None:
    async def within_limits() -> None:
        async with asyncio.timeout(60), real_owners(folder) as owners:
            await scenario(owners.gateway)

    asyncio.run(within_limits())


def byte_count(results) -> int:
    return sum(sizes(results))


async def grow(partitions, log, *, size: int = 1000) -> int:
    """Appends one batch; its size."""
    sent = batch(size=size)
    (result,) = await partitions.append([Append(log, sent)], acks=ACKS_ALL)
    assert result.refusal is None
    return len(sent)


@pytest.mark.parametrize("order", [(0, 1, 0, 1), (0, 0, 0, 0), (1, 1, 1, 0)], ids=str)
def test_a_long_poll_ends_when_real_owners_have_enough_together(tmp_path, order):
    async def scenario(partitions) -> None:
        size = len(batch(size=1000))
        asked = query(
            *((log, 0) for log in LOGS), max_wait_ms=_FOREVER_MS, min_bytes=len(order) * size
        )
        poll = asyncio.create_task(partitions.fetch(asked))
        for at in order:
            assert not poll.done(), "together they have too little"
            await grow(partitions, LOGS[at])
        assert byte_count(await poll) == len(order) * size

    run_over_real_owners(tmp_path, scenario)


def test_response_of_real_owners_keeps_its_limit_after_the_first_batch(tmp_path):
    async def scenario(partitions) -> None:
        for log in (*LOGS, *LOGS):
            size = await grow(partitions, log)
        both = [(log, 0) for log in LOGS]
        for limit, expected in (
            (10 * size, [2 * size, 2 * size]),
            (4 * size, [2 * size, 2 * size]),
            (3 * size, [2 * size, 0]),
            (size, [size, 0]),
            (1, [size, 0]),
        ):
            assert sizes(await partitions.fetch(query(*both, max_bytes=limit))) == expected

    run_over_real_owners(tmp_path, scenario)


def test_poll_of_real_owners_without_new_data_times_out(tmp_path):
    async def scenario(partitions) -> None:
        await grow(partitions, LOGS[0])
        asked = query((LOGS[0], 1), (LOGS[1], 0), max_wait_ms=50)
        assert [(one.refusal, one.records) for one in await partitions.fetch(asked)] == [
            (None, []),
            (None, []),
        ]

    run_over_real_owners(tmp_path, scenario)
