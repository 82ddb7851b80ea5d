import asyncio

import pytest

from partition_svc.background import BackgroundTasks
from tests.support.stores.partition_core import running_core


def test_a_bug_in_a_task_is_raised_and_makes_the_end_unsound(tmp_path, monkeypatch):
    async def broken(_self):
        raise ZeroDivisionError

    async def scenario():
        monkeypatch.setattr("partition_svc.background.Maintenance.run", broken)
        async with running_core(tmp_path) as core:
            with pytest.raises(ZeroDivisionError):
                await core.until_broken()
            assert not await core._background.stop()

    asyncio.run(scenario())


def test_tasks_that_run_are_stopped_soundly(tmp_path):
    async def scenario():
        async with running_core(tmp_path) as core:
            background: BackgroundTasks = core._background
            assert await background.stop()

    asyncio.run(scenario())


def test_compaction_runs_only_where_it_is_enabled(tmp_path):
    async def task_count(*, enabled):
        async with running_core(tmp_path / str(enabled), cleaner_enable=enabled) as core:
            return len(core._background._tasks)

    async def scenario():
        assert await task_count(enabled=True) == await task_count(enabled=False) + 1

    asyncio.run(scenario())
