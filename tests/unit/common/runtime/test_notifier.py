import asyncio

from common.runtime.notifier import Notifier
from tests.support.virtual_time import run_in_virtual_time


def test_a_notification_wakes_all_waiting_tasks_and_no_later_one():
    async def scenario() -> None:
        changes, loop = Notifier(), asyncio.get_running_loop()
        waiting = [asyncio.create_task(changes.wait(10)) for _ in range(2)]
        await asyncio.sleep(1)
        changes.notify_all()
        await asyncio.gather(*waiting)
        assert loop.time() == 1
        await changes.wait(11)
        assert loop.time() == 11

    run_in_virtual_time(scenario())


def test_a_wait_since_a_version_returns_at_once_after_a_later_change():
    async def scenario() -> None:
        changes, loop = Notifier(), asyncio.get_running_loop()
        version = changes.version
        changes.notify_all()
        await changes.wait(None, since=version)
        assert loop.time() == 0
        await changes.wait(5, since=changes.version)
        assert loop.time() == 5

    run_in_virtual_time(scenario())


def test_a_wait_for_a_predicate_returns_at_the_change_that_makes_it_true():
    async def scenario() -> None:
        changes, loop, values = Notifier(), asyncio.get_running_loop(), []

        async def change() -> None:
            for value in range(3):
                await asyncio.sleep(1)
                values.append(value)
                changes.notify_all()

        changing = asyncio.create_task(change())
        await changes.wait_for(lambda: 1 in values, None)
        assert loop.time() == 2
        await changing
        await changes.wait_for(lambda: 1 in values, 1)
        assert loop.time() == 3

    run_in_virtual_time(scenario())


def test_a_wait_for_a_predicate_ends_at_its_deadline():
    async def scenario() -> None:
        changes, loop = Notifier(), asyncio.get_running_loop()
        asyncio.get_running_loop().call_later(1, changes.notify_all)
        await changes.wait_for(lambda: False, 4)
        assert loop.time() == 4

    run_in_virtual_time(scenario())
