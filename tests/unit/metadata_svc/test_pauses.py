import asyncio

import pytest

from metadata_svc.pauses import Pauses


@pytest.fixture
def jump(monkeypatch):
    """Returns a function that advances the loop's clock, as if the process had been paused."""

    def jump(seconds):
        loop = asyncio.get_running_loop()
        before = loop.time
        monkeypatch.setattr(loop, "time", lambda: before() + seconds)

    return jump


def run_checking(body):
    async def run():
        pauses = Pauses(lease_ms=120_000)
        task = asyncio.create_task(pauses.run())
        await asyncio.sleep(0)
        await body(pauses, asyncio.get_running_loop())
        task.cancel()

    asyncio.run(run())


def test_a_pause_gives_one_lease_from_its_end(jump):
    async def body(pauses, loop):
        jump(600)
        assert pauses.grace_until < loop.time()
        pauses.check()
        assert loop.time() - 60 < pauses.resumed_at <= loop.time()
        assert pauses.grace_until == pauses.resumed_at + 120
        resumed_at = pauses.resumed_at
        pauses.check()
        assert pauses.resumed_at == resumed_at

    run_checking(body)


def test_a_loop_that_is_a_little_late_was_not_paused(jump):
    async def body(pauses, loop):
        jump(20)
        pauses.check()
        assert pauses.resumed_at == float("-inf")

    run_checking(body)


def test_a_short_delay_is_no_pause_even_with_a_short_lease(jump):
    async def body():
        pauses = Pauses(lease_ms=1)
        task = asyncio.create_task(pauses.run())
        await asyncio.sleep(0)
        jump(0.1)
        pauses.check()
        assert pauses.resumed_at == float("-inf")
        task.cancel()

    asyncio.run(body())


def test_no_pause_is_detected_before_the_check_runs(jump):
    async def body():
        pauses = Pauses(lease_ms=1_000)
        jump(600)
        pauses.check()
        await pauses.wait_for_grace()
        assert pauses.resumed_at == float("-inf")

    asyncio.run(body())


def test_wait_for_grace_waits_for_the_lease_after_a_pause(jump):
    async def body(pauses, loop):
        jump(600)
        waiting = asyncio.create_task(pauses.wait_for_grace())
        await asyncio.sleep(0)
        assert not waiting.done()
        jump(20)
        waiting.cancel()

    run_checking(body)
