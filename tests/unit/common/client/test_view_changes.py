import asyncio

from common.client.view_changes import ViewChanges
from tests.support.virtual_time import run_in_virtual_time


def test_a_change_wakes_all_who_wait_and_nobody_who_comes_later():
    async def story() -> None:
        changes, loop = ViewChanges(), asyncio.get_running_loop()
        waiting = [asyncio.create_task(changes.wait(10)) for _ in range(2)]
        await asyncio.sleep(1)
        changes.tell()
        await asyncio.gather(*waiting)
        assert loop.time() == 1
        await changes.wait(10)
        assert loop.time() == 11

    run_in_virtual_time(story())
