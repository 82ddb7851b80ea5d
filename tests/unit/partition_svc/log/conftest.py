import asyncio

import pytest

from tests.support.stores.partition_core import running_core


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs `test(core, monkeypatch)` on an event loop of its own; settings are the core's."""

    def run(test, **settings):
        async def within_limits():
            async with asyncio.timeout(60), running_core(tmp_path, **settings) as core:
                await test(core, monkeypatch)

        asyncio.run(within_limits())

    return run
