import asyncio

from partition_svc.coordinator.runtime.timers import DeadlineQueue
from tests.support.virtual_time import run_in_virtual_time


def run(test):
    async def within_limits():
        loop = asyncio.get_running_loop()
        start = loop.time()
        due = []
        deadlines = DeadlineQueue(lambda: int((loop.time() - start) * 1000), due.append)
        async with asyncio.timeout(60):
            await test(deadlines, due)

    asyncio.run(within_limits())


async def wait_until(condition):
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


def test_groups_are_called_in_the_order_of_their_deadlines():
    async def test(deadlines, due):
        for group_id, deadline_ms in (("c", 30), ("a", 10), ("b", 20)):
            deadlines.schedule(group_id, deadline_ms)
        await wait_until(lambda: len(due) == 3)
        assert due == ["a", "b", "c"]

    run(test)


def test_group_is_called_once_after_several_schedules():
    async def test(deadlines, due):
        for deadline_ms in (50, 20, 80, 20, 30):
            deadlines.schedule("a", deadline_ms)
        deadlines.schedule("last", 120)
        await wait_until(lambda: "last" in due)
        assert due == ["a", "last"]

    run(test)


def test_group_without_a_deadline_is_not_called():
    async def test(deadlines, due):
        deadlines.schedule("a", 10)
        deadlines.schedule("a", None)
        deadlines.schedule("b", 20)
        await wait_until(lambda: "b" in due)
        assert due == ["b"]
        deadlines.schedule("a", 30)
        await wait_until(lambda: "a" in due)

    run(test)


def test_grace_postpones_all_deadlines():
    async def scenario():
        loop, due = asyncio.get_running_loop(), []
        deadlines = DeadlineQueue(
            lambda: int(loop.time() * 1000), due.append, grace_s=lambda: max(0, 3.0 - loop.time())
        )
        deadlines.schedule("a", 1000)
        deadlines.schedule("b", 2000)
        # A group that cancels its deadline meanwhile is not called.
        await asyncio.sleep(2.5)
        deadlines.schedule("b", None)
        await asyncio.sleep(0.4)
        assert due == []
        await asyncio.sleep(0.2)
        assert due == ["a"]

    run_in_virtual_time(scenario())


def test_permanent_grace_does_not_postpone_deadlines_permanently():
    async def scenario():
        loop, due = asyncio.get_running_loop(), []
        deadlines = DeadlineQueue(lambda: int(loop.time() * 1000), due.append, grace_s=lambda: 0.4)
        deadlines.schedule("a", 1000)
        await asyncio.sleep(10.9)
        assert due == []
        await asyncio.sleep(0.2)
        assert due == ["a"]

    run_in_virtual_time(scenario())


def test_closed_queue_calls_no_group():
    async def test(deadlines, due):
        deadlines.schedule("a", 0)
        deadlines.close()
        await asyncio.sleep(0.02)
        assert not due

    run(test)
