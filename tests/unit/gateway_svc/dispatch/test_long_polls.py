import asyncio

import pytest

from gateway_svc.dispatch.long_polls import LongPolls


async def respond(value: str) -> str:
    return value


def test_wait_returns_the_response():
    assert asyncio.run(LongPolls().wait(respond("data"))) == "data"


def test_wait_returns_none_after_close_and_its_task_continues():
    async def scenario() -> str:
        polls = LongPolls()

        async def handler() -> str:
            assert await polls.wait(asyncio.Event().wait()) is None
            await asyncio.sleep(0)  # not cancelled any more
            return "continued"

        task = asyncio.create_task(handler())
        await asyncio.sleep(0)
        polls.close()
        assert polls.is_closed
        return await task

    assert asyncio.run(scenario()) == "continued"


def test_cancelled_task_cancels_its_wait():
    async def scenario() -> None:
        polls = LongPolls()
        task = asyncio.create_task(polls.wait(asyncio.Event().wait()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())


def test_task_that_is_cancelled_during_close_stays_cancelled():
    async def scenario() -> None:
        polls = LongPolls()
        task = asyncio.create_task(polls.wait(asyncio.Event().wait()))
        await asyncio.sleep(0)
        polls.close()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())


def test_close_does_not_end_later_waits_until_it_is_called_again():
    async def scenario() -> None:
        polls = LongPolls()
        polls.close()
        assert await polls.wait(respond("data")) == "data"
        task = asyncio.create_task(polls.wait(asyncio.Event().wait()))
        await asyncio.sleep(0)
        polls.close()
        assert await task is None

    asyncio.run(scenario())
