import asyncio
import threading

import pytest

from partition_svc.log.commit.disk_thread import DiskThread


def run(test):
    async def within_limits():
        async with asyncio.timeout(60):
            disk = DiskThread()
            await test(disk)
            await disk.close()

    asyncio.run(within_limits())


def test_work_runs_in_order_in_another_thread():
    async def test(disk):
        done, threads = [], set()

        def work(number):
            done.append(number)
            threads.add(threading.current_thread())

        await asyncio.gather(*(disk.run(lambda n=n: work(n)) for n in range(20)))
        assert done == list(range(20))
        assert len(threads) == 1
        assert threading.current_thread() not in threads

    run(test)


def test_event_loop_runs_during_work():
    async def test(disk):
        may_end = threading.Event()
        waiting = disk.run(lambda: may_end.wait(60))
        await asyncio.sleep(0)
        assert not waiting.done()
        may_end.set()
        await waiting

    run(test)


def test_failed_work_raises_for_its_caller_and_the_next_work_runs():
    def fail():
        raise ZeroDivisionError("a bug")

    async def test(disk):
        with pytest.raises(ZeroDivisionError):
            await disk.run(fail)
        await disk.run(lambda: None)

    run(test)


def test_cancelled_caller_does_not_stop_the_thread():
    async def test(disk):
        may_end = threading.Event()
        disk.run(lambda: may_end.wait(60)).cancel()
        may_end.set()
        await disk.run(lambda: None)

    run(test)


def test_close_waits_for_queued_work():
    async def test():
        disk = DiskThread()
        done = []
        disk.run(lambda: done.append(1))
        await disk.close()
        assert done == [1]

    asyncio.run(test())
