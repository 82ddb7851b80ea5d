import asyncio
import gc

import pytest

from common.runtime.single_flight import SingleFlight


class FakeRequests:
    """Each call waits for `gate`, then returns its number or raises `error`."""

    def __init__(self) -> None:
        self.count = 0
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.count += 1
        number = self.count
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return number


def run(scenario) -> None:
    async def within_limits() -> None:
        requests = FakeRequests()
        async with asyncio.timeout(60):
            await scenario(SingleFlight(requests), requests)

    asyncio.run(within_limits())


def test_concurrent_callers_share_one_request_and_later_ones_make_the_next():
    async def scenario(flight, requests) -> None:
        callers = [asyncio.create_task(flight.run()) for _ in range(3)]
        await asyncio.sleep(0)
        requests.gate.set()
        assert await asyncio.gather(*callers) == [1, 1, 1]
        assert await flight.run() == 2

    run(scenario)


def test_a_cancelled_caller_does_not_end_the_request_of_the_others():
    async def scenario(flight, requests) -> None:
        cancelled, patient = (asyncio.create_task(flight.run()) for _ in range(2))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        requests.gate.set()
        assert await patient == 1

    run(scenario)


def test_an_error_reaches_all_callers_and_the_next_one_makes_another_request():
    async def scenario(flight, requests) -> None:
        requests.error = ValueError("down")
        requests.gate.set()
        results = await asyncio.gather(flight.run(), flight.run(), return_exceptions=True)
        assert [str(error) for error in results] == ["down", "down"]
        requests.error = None
        assert await flight.run() == 2

    run(scenario)


def test_a_failed_prefetch_is_not_logged_and_the_next_run_makes_another_request():
    async def scenario(flight, requests) -> None:
        unhandled = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: unhandled.append(context)
        )
        requests.error = ValueError("down")
        requests.gate.set()
        flight.prefetch()
        for _ in range(3):
            await asyncio.sleep(0)
        requests.error = None
        assert await flight.run() == 2
        gc.collect()
        assert unhandled == []

    run(scenario)


def test_a_run_shares_a_prefetch_that_is_in_flight():
    async def scenario(flight, requests) -> None:
        flight.prefetch()
        flight.prefetch()
        requests.gate.set()
        assert await flight.run() == 1

    run(scenario)


def test_closing_cancels_the_request_in_flight():
    async def scenario(flight, requests) -> None:
        caller = asyncio.create_task(flight.run())
        await asyncio.sleep(0)
        await flight.close()
        with pytest.raises(asyncio.CancelledError):
            await caller

    run(scenario)
