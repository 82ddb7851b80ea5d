import asyncio
import threading

import pytest

from common.runtime.gil import yield_gil
from partition_svc.log.validation.record_thread import RecordThread


def test_work_runs_in_a_thread_in_order():
    async def scenario():
        thread = RecordThread("test")
        names = await asyncio.gather(
            *(thread.run(lambda: threading.current_thread().name) for _ in range(3))
        )
        assert set(names) == {"test_0"}
        with pytest.raises(ZeroDivisionError):
            await thread.run(lambda: 1 // 0)
        thread.close()

    asyncio.run(scenario())


def test_the_event_loop_runs_while_a_thread_pauses():
    async def scenario():
        thread, iterations = RecordThread("test"), 0
        may_end = threading.Event()

        def work():
            while not may_end.is_set():
                yield_gil()

        working = asyncio.ensure_future(thread.run(work))
        for _ in range(100):
            await asyncio.sleep(0)
            iterations += 1
        may_end.set()
        await working
        assert iterations == 100
        thread.close()

    asyncio.run(scenario())
