import asyncio

import pytest

from common.runtime import cooperative
from common.runtime.cooperative import gather_bounded, map_cooperatively


def run(test):
    async def within_limits():
        async with asyncio.timeout(60):
            await test()

    asyncio.run(within_limits())


def test_results_are_in_the_order_of_the_items_and_not_of_the_ends_of_calls():
    async def test():
        async def call(number):
            for _ in range(10 - number % 10):
                await asyncio.sleep(0)
            return number

        assert await gather_bounded(call, range(5000)) == list(range(5000))
        assert await gather_bounded(call, []) == []

    run(test)


def test_calls_in_flight_are_bounded_and_other_tasks_run_in_between():
    async def test():
        in_flight = in_flight_max = iterations = 0

        async def call(_):
            nonlocal in_flight, in_flight_max
            in_flight += 1
            in_flight_max = max(in_flight_max, in_flight)
            await asyncio.sleep(0)
            in_flight -= 1

        async def tick():
            nonlocal iterations
            while True:
                iterations += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        await gather_bounded(call, range(20_000))
        ticking.cancel()
        assert in_flight_max <= 1000
        assert iterations >= 20_000 / 50

    run(test)


def test_a_thousand_calls_wait_concurrently():
    async def test():
        gate, waiting = asyncio.Event(), 0

        async def call(number):
            nonlocal waiting
            waiting += 1
            if waiting == 1000:
                gate.set()
            await gate.wait()
            return number

        assert await gather_bounded(call, range(1500)) == list(range(1500))

    run(test)


def test_an_error_cancels_the_other_calls():
    async def test():
        ended = []

        async def call(number):
            if number == 3:
                raise ValueError("three")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ended.append(number)
                raise

        async def first_fails(number):
            if number:
                return await call(number)
            raise ValueError("first")

        with pytest.raises(ValueError, match="first"):
            await gather_bounded(first_fails, [0, 1, 2])
        await asyncio.sleep(0)
        assert ended == [1, 2]

    run(test)


def test_a_cancelled_caller_cancels_all_calls():
    async def test():
        started, ended = [], []

        async def call(number):
            started.append(number)
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(number)

        waiting = asyncio.create_task(gather_bounded(call, range(10)))
        while len(started) < 10:  # noqa: ASYNC110
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        await asyncio.sleep(0)
        assert sorted(ended) == list(range(10))

    run(test)


def test_long_work_yields_to_other_tasks_and_short_work_does_not(monkeypatch):
    now = 0.0
    monkeypatch.setattr(cooperative, "perf_counter", lambda: now)

    async def test():
        nonlocal now
        order = []

        def work(number):
            nonlocal now
            order.append(number)
            now += 0.002

        async def other():
            while True:
                order.append("other")
                await asyncio.sleep(0)

        ticking = asyncio.create_task(other())
        await map_cooperatively(work, range(7))
        ticking.cancel()
        assert order == [0, 1, 2, "other", 3, 4, 5, "other", 6]
        assert await map_cooperatively(str, range(3)) == ["0", "1", "2"]

    run(test)
