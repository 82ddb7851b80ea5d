import asyncio
import threading

import pytest

from gateway_svc.dispatch.conversions import Conversions


class Memory:
    def __init__(self):
        self.used = 0

    def acquire(self, byte_count):
        self.used += byte_count

    def release(self, byte_count):
        self.used -= byte_count


def run(test):
    async def within_limits():
        async with asyncio.timeout(60):
            memory = Memory()
            await test(Conversions(memory.acquire, memory.release), memory)

    asyncio.run(within_limits())


class BlockedConversion:
    """A conversion that counts 100 bytes and then waits in its thread."""

    def __init__(self):
        self._loop = asyncio.get_running_loop()
        self.has_counted = asyncio.Event()
        self.may_end = threading.Event()

    def __call__(self, count):
        count(60)
        count(40)
        self._loop.call_soon_threadsafe(self.has_counted.set)
        assert self.may_end.wait(60)
        return "converted"


def test_conversions_run_one_after_the_other_in_their_order():
    async def test(conversions, _):
        first, order = BlockedConversion(), []
        running = asyncio.create_task(conversions.run(first))
        await first.has_counted.wait()
        later = [
            asyncio.create_task(conversions.run(lambda _, number=number: order.append(number)))
            for number in range(5)
        ]
        await asyncio.sleep(0)
        assert order == []
        first.may_end.set()
        assert await running == "converted"
        await asyncio.gather(*later)
        assert order == [0, 1, 2, 3, 4]

    run(test)


def test_bytes_of_a_conversion_count_until_it_has_ended():
    async def test(conversions, memory):
        blocked = BlockedConversion()
        running = asyncio.create_task(conversions.run(blocked))
        await blocked.has_counted.wait()
        assert memory.used == 100
        blocked.may_end.set()
        await running
        assert memory.used == 0

    run(test)


def test_cancelled_caller_does_not_let_a_second_conversion_run_beside_the_first():
    async def test(conversions, memory):
        blocked = BlockedConversion()
        running = asyncio.create_task(conversions.run(blocked))
        await blocked.has_counted.wait()
        running.cancel()
        await asyncio.wait([running])
        assert memory.used == 100
        later = asyncio.create_task(conversions.run(lambda _: blocked.may_end.is_set()))
        await asyncio.sleep(0)
        blocked.may_end.set()
        assert await later
        assert memory.used == 0

    run(test)


def test_caller_that_is_cancelled_while_it_waits_starts_no_conversion():
    async def test(conversions, memory):
        blocked, done = BlockedConversion(), []
        running = asyncio.create_task(conversions.run(blocked))
        await blocked.has_counted.wait()
        waiting = asyncio.create_task(conversions.run(done.append))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        blocked.may_end.set()
        await running
        assert await conversions.run(lambda _: "next") == "next"
        assert (done, memory.used) == ([], 0)

    run(test)


def test_error_is_raised_to_its_caller_and_the_next_conversion_runs():
    async def test(conversions, memory):
        def broken(count):
            count(5)
            raise ValueError("broken")

        with pytest.raises(ValueError, match="broken"):
            await conversions.run(broken)
        assert memory.used == 0
        assert await conversions.run(lambda _: 1) == 1

    run(test)
