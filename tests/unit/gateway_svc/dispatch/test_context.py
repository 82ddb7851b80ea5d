import asyncio

import pytest

from gateway_svc.dispatch.context import LongPolls, Peer


async def answered(value: str) -> str:
    return value


def test_a_poll_that_has_its_answer_gives_it():
    assert asyncio.run(LongPolls().wait(answered("data"))) == "data"


def test_a_poll_that_is_ended_early_gives_none_and_its_task_goes_on():
    async def story() -> str:
        polls = LongPolls()

        async def handler() -> str:
            assert await polls.wait(asyncio.Event().wait()) is None
            await asyncio.sleep(0)  # not cancelled any more
            return "went on"

        task = asyncio.create_task(handler())
        await asyncio.sleep(0)
        polls.end()
        assert polls.is_over
        return await task

    assert asyncio.run(story()) == "went on"


def test_a_client_that_leaves_cancels_its_poll():
    async def story() -> None:
        polls = LongPolls()
        task = asyncio.create_task(polls.wait(asyncio.Event().wait()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())


def test_a_client_that_leaves_while_polls_are_ended_cancels_all_the_same():
    async def story() -> None:
        polls = LongPolls()
        task = asyncio.create_task(polls.wait(asyncio.Event().wait()))
        await asyncio.sleep(0)
        polls.end()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())


def test_polls_that_come_after_the_end_are_not_touched():
    async def story() -> None:
        polls = LongPolls()
        polls.end()
        assert await polls.wait(answered("data")) == "data"
        task = asyncio.create_task(polls.wait(asyncio.Event().wait()))
        await asyncio.sleep(0)
        polls.end()
        assert await task is None

    asyncio.run(story())


def test_a_peer_is_told_by_its_address():
    assert str(Peer("A", "10.0.0.1", 5, "10.0.0.2")) == "10.0.0.1:5"
