import asyncio

import pytest

from partition_svc.log.partition_log import PartitionLog
from partition_svc.log.waiters import FetchWaiter, wake_all


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


def waiter(*rooms, lacking_bytes):
    future = asyncio.get_running_loop().create_future()
    return FetchWaiter(future, rooms, lacking_bytes), future


def test_bytes_of_all_logs_count_together(run):
    async def test(first, second):
        waiting, future = waiter((first, 1000), (second, 1000), lacking_bytes=100)
        with waiting:
            waiting.on_readable(first, 60)
            assert not future.done()
            waiting.on_readable(second, 40)
            assert future.done()

    run(test)


def test_it_waits_at_its_logs_only_while_it_is_used(run):
    async def test(first, second):
        waiting, _ = waiter((first, 1000), (second, 1000), lacking_bytes=100)
        assert not first.waiters
        with waiting:
            assert first.waiters == second.waiters == {waiting}
        assert not first.waiters
        assert not second.waiters

    run(test)


def test_a_batch_that_does_not_fit_ends_the_wait(run):
    async def test(first, second):
        waiting, future = waiter((first, 50), (second, 1000), lacking_bytes=500)
        with waiting:
            waiting.on_readable(first, 50)
            assert not future.done()
            waiting.on_readable(first, 1)
            assert future.done()

    run(test)


def test_waking_twice_does_no_harm(run):
    async def test(first, _):
        waiting, future = waiter((first, 1000), lacking_bytes=1)
        with waiting:
            wake_all(tuple(first.waiters))
            waiting.on_readable(first, 5)
            wake_all(tuple(first.waiters))
        assert future.result() is None

    run(test)
