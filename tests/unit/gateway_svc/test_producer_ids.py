import asyncio

import pytest

from common.ports.metadata import ProducerIdBlock
from common.ports.unavailable import BackendUnavailable
from gateway_svc.producer_ids import ProducerIdPool


class FakeAllocator:
    """Allocates blocks of ten ids; fails if `is_down`, and waits for `gate`."""

    def __init__(self) -> None:
        self.next = 100
        self.allocated = 0
        self.is_down = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def allocate(self) -> ProducerIdBlock:
        await self.gate.wait()
        if self.is_down:
            raise BackendUnavailable("unreachable")
        first, self.next = self.next, self.next + 1000
        self.allocated += 1
        return ProducerIdBlock(first, 10)


def run(scenario) -> None:
    async def within_limits() -> None:
        blocks = FakeAllocator()
        ids = ProducerIdPool(blocks.allocate)
        async with asyncio.timeout(60):
            await scenario(ids, blocks)
        await ids.close()

    asyncio.run(within_limits())


def test_ids_come_from_blocks_in_order_and_only_once():
    async def scenario(ids, blocks) -> None:
        allocated = [await ids.next_id() for _ in range(25)]
        assert allocated == [*range(100, 110), *range(1100, 1110), *range(2100, 2105)]

    run(scenario)


def test_concurrent_callers_get_different_ids_from_shared_blocks():
    async def scenario(ids, blocks) -> None:
        allocated = await asyncio.gather(*(ids.next_id() for _ in range(95)))
        assert len(set(allocated)) == 95
        assert blocks.allocated <= 11

    run(scenario)


def test_next_block_is_allocated_before_the_current_one_is_used_up():
    async def scenario(ids, blocks) -> None:
        for _ in range(9):
            await ids.next_id()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert blocks.allocated == 2
        blocks.gate.clear()  # from here on no allocation succeeds
        assert [await ids.next_id() for _ in range(6)] == [109, *range(1100, 1105)]

    run(scenario)


def test_failed_allocation_is_raised_and_the_next_call_retries():
    async def scenario(ids, blocks) -> None:
        blocks.is_down = True
        with pytest.raises(BackendUnavailable):
            await ids.next_id()
        blocks.is_down = False
        assert await ids.next_id() == 100

    run(scenario)


def test_failed_prefetch_is_not_raised():
    async def scenario(ids, blocks) -> None:
        await ids.next_id()
        blocks.is_down = True
        assert [await ids.next_id() for _ in range(9)] == list(range(101, 110))
        with pytest.raises(BackendUnavailable):
            await ids.next_id()
        blocks.is_down = False
        assert await ids.next_id() == 1100

    run(scenario)


def test_cancelled_caller_does_not_cancel_the_allocation_of_others():
    async def scenario(ids, blocks) -> None:
        blocks.gate.clear()
        impatient = asyncio.create_task(ids.next_id())
        patient = asyncio.create_task(ids.next_id())
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.wait([impatient])
        blocks.gate.set()
        assert await patient == 100

    run(scenario)


def test_close_ends_a_running_allocation():
    async def scenario(ids, blocks) -> None:
        blocks.gate.clear()
        waiting = asyncio.create_task(ids.next_id())
        await asyncio.sleep(0)
        await ids.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(scenario)
