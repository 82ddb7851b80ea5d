import asyncio
from contextlib import asynccontextmanager

import pytest

from partition_svc.log.fetch_waiter import FetchWaiter, wake_all
from partition_svc.log.partition_log import PartitionLog


@pytest.fixture
def run():
    def run(test):
        async def with_logs():
            logs = [PartitionLog.__new__(PartitionLog) for _ in range(2)]
            for log in logs:
                log.waiters = set()
            await test(*logs)

        asyncio.run(with_logs())

    return run


@asynccontextmanager
async def start_waiting(*watched_logs, missing_bytes, within_s=60):
    """Starts a waiter on pairs of a log and its bytes left; yields the waiter and its task."""
    with FetchWaiter() as waiter:
        for log, bytes_left in watched_logs:
            waiter.watch(log, bytes_left)
        deadline = asyncio.get_running_loop().time() + within_s
        task = asyncio.create_task(waiter.wait(missing_bytes, deadline))
        await asyncio.sleep(0)
        yield waiter, task
        task.cancel()


async def has_ended(task):
    await asyncio.sleep(0)
    return task.done()


def test_bytes_of_all_logs_count_together(run):
    async def test(first, second):
        async with start_waiting((first, 1000), (second, 1000), missing_bytes=100) as (
            waiter,
            task,
        ):
            waiter.on_readable(first, 60)
            assert not await has_ended(task)
            waiter.on_readable(second, 40)
            assert await has_ended(task)
            assert waiter.changed == {first, second}

    run(test)


def test_changed_has_only_logs_that_changed(run):
    async def test(first, second):
        async with start_waiting((first, 1000), (second, 1000), missing_bytes=100) as (
            waiter,
            task,
        ):
            wake_all(second)
            assert await has_ended(task)
            assert waiter.changed == {second}

    run(test)


def test_a_waiter_is_registered_at_its_logs_only_inside_the_with_block(run):
    async def test(first, second):
        waiter = FetchWaiter()
        with waiter:
            waiter.watch(first, 1000)
            waiter.watch(second, 1000)
            waiter.watch(first, 500)
            assert first.waiters == second.waiters == {waiter}
        assert not first.waiters
        assert not second.waiters

    run(test)


def test_a_batch_that_does_not_fit_ends_the_wait(run):
    async def test(first, second):
        async with start_waiting((first, 50), (second, 1000), missing_bytes=500) as (waiter, task):
            waiter.on_readable(first, 50)
            assert not await has_ended(task)
            waiter.on_readable(first, 1)
            assert await has_ended(task)

    run(test)


def test_a_change_before_the_wait_ends_it_at_once(run):
    async def test(first, _):
        with FetchWaiter() as waiter:
            waiter.watch(first, 1000)
            waiter.on_readable(first, 1)
            await waiter.wait(100, asyncio.get_running_loop().time() + 60)

    run(test)


def test_the_deadline_ends_the_wait_without_a_change(run):
    async def test(first, _):
        async with start_waiting((first, 1000), missing_bytes=100, within_s=0) as (waiter, task):
            await task
            assert not waiter.changed

    run(test)


def test_waking_a_waiter_twice_has_no_further_effect(run):
    async def test(first, _):
        async with start_waiting((first, 1000), missing_bytes=1) as (waiter, task):
            wake_all(first)
            waiter.on_readable(first, 5)
            wake_all(first)
            await task
        waiter.wake()

    run(test)
