import asyncio

import pytest

from partition_svc.background import BackgroundTasks
from tests.support.stores.partition_core import running_core


def test_bug_in_a_task_is_raised_and_stop_returns_false(tmp_path, monkeypatch):
    async def fail(_self):
        raise ZeroDivisionError

    async def scenario():
        monkeypatch.setattr("partition_svc.background.Maintenance.run", fail)
        async with running_core(tmp_path) as core:
            with pytest.raises(ZeroDivisionError):
                await core.until_broken()
            assert not await core._background.stop()

    asyncio.run(scenario())


def test_stop_of_running_tasks_returns_true(tmp_path):
    async def scenario():
        async with running_core(tmp_path) as core:
            background: BackgroundTasks = core._background
            assert await background.stop()

    asyncio.run(scenario())


def test_compaction_runs_only_if_enabled(tmp_path):
    async def task_count(*, enabled):
        async with running_core(tmp_path / str(enabled), cleaner_enable=enabled) as core:
            return len(core._background._tasks)

    async def scenario():
        assert await task_count(enabled=True) == await task_count(enabled=False) + 1

    asyncio.run(scenario())
