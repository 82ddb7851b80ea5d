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
from tests.unit.common.client.real_owners import LOGS, run_real_owners

_FOREVER_MS = 50_000


class FakeOwner:
    """Has some bytes for each of its partitions, and more after `grow`."""

    def __init__(self, *sizes: int, ends_waits: bool = True) -> None:
        self.sizes = list(sizes)
        self.grown = asyncio.Event()
        self.min_bytes: list[int] = []
        self.refusal: Refusal | None = None
        self.is_lost = False
        self.returns_early = False
        self.ends_waits = ends_waits
        self.response_count = 0

    def grow(self, byte_count: int) -> None:
        self.sizes[0] += byte_count
        self.grown.set()

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        if self.is_lost:
            raise BackendUnavailable("unreachable")
        self.min_bytes.append(query.min_bytes)
        responds_at_once = self.returns_early or self.refusal is not None
        while query.max_wait_ms and sum(self.sizes) < query.min_bytes and not responds_at_once:
            self.grown.clear()
            if query.end_of_wait is not None and self.ends_waits:
                query.end_of_wait.add_done_callback(lambda _: self.grown.set())
            await self.grown.wait()
            if query.end_of_wait is not None and query.end_of_wait.done():
                break
        self.response_count += 1
        return [
            FetchResult([b"x" * size] if size else [], refusal=self.refusal) for size in self.sizes
        ]


def fetch_from(
    owners: dict[FakeOwner, list[int]], *, missing: dict[int, Refusal] | None = None, **limits: int
):
    count = sum(map(len, owners.values())) + len(missing or {})
    partitions = [FetchPartition(LogId(b"t" * 16, n), 0, 1000) for n in range(count)]
    defaults = {"max_wait_ms": _FOREVER_MS, "min_bytes": 1, "max_bytes": 1 << 20}
    query = FetchQuery(partitions, **{**defaults, **limits})
    return multi_fetch(query, list(owners.items()), missing or {})


def test_lost_owners_are_reported_with_the_data_of_the_others():
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        reachable = FakeOwner(0)
        partitions = [FetchPartition(LogId(b"t" * 16, n), 0, 1000) for n in range(2)]
        query = FetchQuery(partitions, _FOREVER_MS, 1, 1000)
        poll = asyncio.create_task(multi_fetch(query, [(reachable, [1])], {}, lost=[0]))
        await asyncio.sleep(0.1)
        assert not poll.done()
        reachable.grow(10)
        lost, fetched = await poll
        assert (lost.refusal, fetched.refusal) == (Refusal.NO_RESPONSE, None)
        assert sizes([lost, fetched]) == [0, 10]
        # A consumer with an immediate error would retry in a busy loop while the owners are lost.
        started = loop.time()
        (result,) = await multi_fetch(
            FetchQuery(partitions[:1], _FOREVER_MS, 1, 1000), [], {}, lost=[0]
        )
        assert result.refusal is Refusal.NO_RESPONSE
        assert loop.time() - started == pytest.approx(0.5, abs=0.01)

    run_in_virtual_time(scenario())


def sizes(results: list[FetchResult]) -> list[int]:
    return [sum(map(len, result.records)) for result in results]


def run(scenario) -> None:
    async def within_limits() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(within_limits())


async def run_loop(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("ends_waits", [True, False])
def test_owner_that_ends_waits_reads_its_partitions_once(ends_waits):
    async def scenario() -> None:
        owners = [FakeOwner(0, ends_waits=ends_waits) for _ in range(3)]
        poll = asyncio.create_task(
            fetch_from({owner: [partition] for partition, owner in enumerate(owners)})
        )
        await run_loop()
        assert not poll.done()
        owners[1].grow(10)
        assert sizes(await poll) == [0, 10, 0]
        expected = [1, 1, 1] if ends_waits else [1, 2, 1]
        assert [owner.response_count for owner in owners] == expected
        assert [len(owner.min_bytes) for owner in owners] == [1 if ends_waits else 2] * 3

    run(scenario)


def test_owners_of_both_kinds_are_polled_as_the_older_ones_need():
    async def scenario() -> None:
        newer, older = FakeOwner(0, 5), FakeOwner(0, ends_waits=False)
        poll = asyncio.create_task(fetch_from({newer: [0, 2], older: [1]}, min_bytes=10))
        await run_loop()
        older.grow(10)
        assert sizes(await poll) == [0, 10, 5]
        newer.is_lost = True
        results = await fetch_from({newer: [0, 2], older: [1]}, min_bytes=10)
        assert [result.refusal for result in results] == [
            Refusal.NO_RESPONSE,
            None,
            Refusal.NO_RESPONSE,
        ]

    run(scenario)


def test_data_of_other_owners_until_the_end_of_the_wait_is_returned():
    async def scenario() -> None:
        first, second = FakeOwner(0), FakeOwner(0)
        poll = asyncio.create_task(fetch_from({first: [0], second: [1]}, min_bytes=100))
        await run_loop()
        second.grow(49)  # less than its share
        await run_loop()
        first.grow(51)
        assert sizes(await poll) == [51, 49]
        assert len(first.min_bytes) == len(second.min_bytes) == 1

    run(scenario)


def test_available_data_is_returned_at_once_in_the_order_of_the_query():
    async def scenario() -> None:
        first, second = FakeOwner(10, 30), FakeOwner(20)
        assert sizes(await fetch_from({first: [0, 2], second: [1]})) == [10, 20, 30]
        assert len(first.min_bytes) == len(second.min_bytes) == 1

    run(scenario)


def test_the_bytes_of_all_owners_count_together():
    async def scenario() -> None:
        owners = {FakeOwner(60): [0], FakeOwner(60): [1]}
        assert sizes(await fetch_from(owners, min_bytes=100)) == [60, 60]

    run(scenario)


def test_small_amounts_of_several_owners_add_up():
    async def scenario() -> None:
        first, second = FakeOwner(0), FakeOwner(0)
        poll = asyncio.create_task(fetch_from({first: [0], second: [1]}, min_bytes=100))
        for owner, growth in ((first, 30), (second, 30), (first, 20), (second, 10)):
            await run_loop()
            owner.grow(growth)
            await run_loop()
            assert not poll.done(), "too few bytes together"
        second.grow(10)
        assert sum(sizes(await poll)) == 100

    run(scenario)


def test_timeout_ends_the_wait_with_available_data():
    async def scenario() -> None:
        assert sizes(
            await fetch_from({FakeOwner(5): [0], FakeOwner(0): [1]}, min_bytes=100, max_wait_ms=0)
        ) == [
            5,
            0,
        ]

    run(scenario)


def test_refusal_ends_the_poll_at_once():
    async def scenario() -> None:
        refusing = FakeOwner(0)
        refusing.refusal = Refusal.OFFSET_OUT_OF_RANGE
        results = await fetch_from({FakeOwner(0): [0], refusing: [1]})
        assert [result.refusal for result in results] == [None, Refusal.OFFSET_OUT_OF_RANGE]

    run(scenario)


def test_lost_owner_ends_the_poll_at_once():
    async def scenario() -> None:
        lost = FakeOwner(0)
        lost.is_lost = True
        results = await fetch_from({FakeOwner(0): [0], lost: [1]})
        assert [result.refusal for result in results] == [None, Refusal.NO_RESPONSE]

    run(scenario)


def test_owner_that_is_lost_ends_the_waits_of_the_others():
    async def scenario() -> None:
        staying, going = FakeOwner(0), FakeOwner(0)
        poll = asyncio.create_task(fetch_from({staying: [0], going: [1]}, min_bytes=100))
        await run_loop()
        going.is_lost = True
        staying.grow(60)  # ends a round; the next one detects the loss
        assert [result.refusal for result in await poll] == [None, Refusal.NO_RESPONSE]

    run(scenario)


def test_partitions_without_an_owner_end_the_poll_at_once():
    async def scenario() -> None:
        results = await fetch_from(
            {FakeOwner(0): [1]}, missing={0: Refusal.UNKNOWN_TOPIC_OR_PARTITION}
        )
        assert [result.refusal for result in results] == [Refusal.UNKNOWN_TOPIC_OR_PARTITION, None]
        results = await fetch_from({}, missing={0: Refusal.NOT_OWNER})
        assert [result.refusal for result in results] == [Refusal.NOT_OWNER]

    run(scenario)


def test_response_keeps_its_limit_after_the_first_records():
    async def scenario() -> None:
        owners = {FakeOwner(80, 40): [0, 2], FakeOwner(50, 20): [1, 3]}
        assert sizes(await fetch_from(owners, max_bytes=100)) == [80, 0, 0, 20]
        assert sizes(
            await fetch_from({FakeOwner(0, 500): [0, 1], FakeOwner(1): [2]}, max_bytes=100)
        ) == [
            0,
            500,
            0,
        ]

    run(scenario)


def test_owner_that_reached_its_limits_ends_the_wait():
    async def scenario() -> None:
        full = FakeOwner(50)
        full.returns_early = True
        assert sizes(await fetch_from({full: [0], FakeOwner(0): [1]}, min_bytes=100)) == [50, 0]

    run(scenario)


def test_cancelled_fetch_cancels_its_waits_at_all_owners():
    async def scenario() -> None:
        owners = {FakeOwner(0): [0], FakeOwner(0): [1]}
        poll = asyncio.create_task(fetch_from(owners))
        await run_loop()
        others = asyncio.all_tasks() - {asyncio.current_task(), poll}
        assert len(others) == 2
        poll.cancel()
        await asyncio.wait([poll])
        assert poll.cancelled()
        assert all(task.done() for task in others)

    run(scenario)


# Tests over real owners.


def run_over_real_owners(folder, scenario) -> None:
    async def within_limits() -> None:
        async with asyncio.timeout(60), run_real_owners(folder) as owners:
            await scenario(owners.gateway)

    asyncio.run(within_limits())


def byte_count(results) -> int:
    return sum(sizes(results))


async def grow(partitions, log, *, size: int = 1000) -> int:
    """Appends one batch and returns its size."""
    record_batch = batch(size=size)
    (result,) = await partitions.append([Append(log, record_batch)], acks=ACKS_ALL)
    assert result.refusal is None
    return len(record_batch)


@pytest.mark.parametrize("order", [(0, 1, 0, 1), (0, 0, 0, 0), (1, 1, 1, 0)], ids=str)
def test_a_long_poll_ends_when_real_owners_have_enough_together(tmp_path, order):
    async def scenario(partitions) -> None:
        size = len(batch(size=1000))
        fetch_query = query(
            *((log, 0) for log in LOGS), max_wait_ms=_FOREVER_MS, min_bytes=len(order) * size
        )
        poll = asyncio.create_task(partitions.fetch(fetch_query))
        for partition in order:
            assert not poll.done(), "too few bytes together"
            await grow(partitions, LOGS[partition])
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
        fetch_query = query((LOGS[0], 1), (LOGS[1], 0), max_wait_ms=50)
        assert [
            (result.refusal, result.records) for result in await partitions.fetch(fetch_query)
        ] == [
            (None, []),
            (None, []),
        ]

    run_over_real_owners(tmp_path, scenario)
