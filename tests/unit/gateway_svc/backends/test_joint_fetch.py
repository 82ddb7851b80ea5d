import asyncio

from common.ports.partitions import FetchPartition, FetchQuery, FetchResult, LogId, Refusal
from common.ports.unavailable import BackendUnavailable
from gateway_svc.backends.joint_fetch import joint_fetch

_FOREVER_MS = 50_000


class Owner:
    """Has some bytes for each of its partitions, and more when the test says so."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = list(sizes)
        self.grown = asyncio.Event()
        self.min_bytes: list[int] = []
        self.refusal: Refusal | None = None
        self.is_gone = False
        self.gives_up_early = False

    def grow(self, byte_count: int) -> None:
        self.sizes[0] += byte_count
        self.grown.set()

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        if self.is_gone:
            raise BackendUnavailable("gone")
        self.min_bytes.append(query.min_bytes)
        while query.max_wait_ms and sum(self.sizes) < query.min_bytes and not self.gives_up_early:
            self.grown.clear()
            await self.grown.wait()
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
    return joint_fetch(query, list(owners.items()), missing or {})


def sizes(results: list[FetchResult]) -> list[int]:
    return [sum(map(len, one.records)) for one in results]


def run(story) -> None:
    async def within_limits() -> None:
        async with asyncio.timeout(60):
            await story()

    asyncio.run(within_limits())


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_what_is_there_is_answered_at_once_in_the_order_of_asking():
    async def story() -> None:
        first, second = Owner(10, 30), Owner(20)
        assert sizes(await ask({first: [0, 2], second: [1]})) == [10, 20, 30]
        assert first.min_bytes == second.min_bytes == [0]

    run(story)


def test_the_bytes_of_all_owners_count_together():
    async def story() -> None:
        owners = {Owner(60): [0], Owner(60): [1]}
        assert sizes(await ask(owners, min_bytes=100)) == [60, 60]

    run(story)


def test_little_by_little_from_several_owners_adds_up():
    async def story() -> None:
        first, second = Owner(0), Owner(0)
        poll = asyncio.create_task(ask({first: [0], second: [1]}, min_bytes=100))
        for owner, growth in ((first, 30), (second, 30), (first, 20), (second, 10)):
            await turns()
            owner.grow(growth)
            await turns()
            assert not poll.done(), "together they have too little"
        second.grow(10)
        assert sum(sizes(await poll)) == 100

    run(story)


def test_time_that_is_up_ends_the_wait_with_what_there_is():
    async def story() -> None:
        assert sizes(await ask({Owner(5): [0], Owner(0): [1]}, min_bytes=100, max_wait_ms=0)) == [
            5,
            0,
        ]

    run(story)


def test_a_refusal_is_told_at_once():
    async def story() -> None:
        refusing = Owner(0)
        refusing.refusal = Refusal.OFFSET_OUT_OF_RANGE
        results = await ask({Owner(0): [0], refusing: [1]})
        assert [one.refusal for one in results] == [None, Refusal.OFFSET_OUT_OF_RANGE]

    run(story)


def test_an_owner_that_is_gone_is_told_at_once():
    async def story() -> None:
        gone = Owner(0)
        gone.is_gone = True
        results = await ask({Owner(0): [0], gone: [1]})
        assert [one.refusal for one in results] == [None, Refusal.NO_ANSWER]

    run(story)


def test_an_owner_that_goes_while_others_wait_ends_the_wait():
    async def story() -> None:
        staying, going = Owner(0), Owner(0)
        poll = asyncio.create_task(ask({staying: [0], going: [1]}, min_bytes=100))
        await turns()
        going.is_gone = True
        staying.grow(60)  # ends a round, and the next finds out
        assert [one.refusal for one in await poll] == [None, Refusal.NO_ANSWER]

    run(story)


def test_partitions_that_nobody_has_are_told_at_once():
    async def story() -> None:
        results = await ask({Owner(0): [1]}, missing={0: Refusal.UNKNOWN_PARTITION})
        assert [one.refusal for one in results] == [Refusal.UNKNOWN_PARTITION, None]
        only = await ask({}, missing={0: Refusal.NOT_OWNER})
        assert [one.refusal for one in only] == [Refusal.NOT_OWNER]

    run(story)


def test_the_whole_answer_keeps_to_its_limit_save_for_the_first_records():
    async def story() -> None:
        owners = {Owner(80, 40): [0, 2], Owner(50, 20): [1, 3]}
        assert sizes(await ask(owners, max_bytes=100)) == [80, 0, 0, 20]
        assert sizes(await ask({Owner(0, 500): [0, 1], Owner(1): [2]}, max_bytes=100)) == [
            0,
            500,
            0,
        ]

    run(story)


def test_an_owner_whose_limits_are_full_ends_the_wait():
    async def story() -> None:
        full = Owner(50)
        full.gives_up_early = True
        assert sizes(await ask({full: [0], Owner(0): [1]}, min_bytes=100)) == [50, 0]

    run(story)


def test_a_client_that_leaves_cancels_all_its_waits():
    async def story() -> None:
        owners = {Owner(0): [0], Owner(0): [1]}
        poll = asyncio.create_task(ask(owners))
        await turns()
        others = asyncio.all_tasks() - {asyncio.current_task(), poll}
        assert len(others) == 2
        poll.cancel()
        await asyncio.wait([poll])
        assert poll.cancelled()
        assert all(task.done() for task in others)

    run(story)
