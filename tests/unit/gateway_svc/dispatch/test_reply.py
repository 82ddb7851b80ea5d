import asyncio

import pytest

from gateway_svc.dispatch.reply import Disconnect, Parts, PendingResponse, TaskResponse


async def respond() -> Parts | None:
    await asyncio.sleep(0)
    return [b"response"]


async def disconnect() -> Parts | None:
    raise Disconnect("no")


def test_pending_response_must_define_how_it_ends():
    pending = PendingResponse()
    for end in (pending.finish, pending.expire):
        with pytest.raises(NotImplementedError):
            end()


def test_task_response_returns_what_its_coroutine_returns():
    async def scenario() -> Parts | None:
        reply = TaskResponse(respond())
        await asyncio.wait([reply.future])
        return reply.finish()

    assert asyncio.run(scenario()) == [b"response"]


def test_task_response_disconnects_if_its_coroutine_does():
    async def scenario() -> None:
        reply = TaskResponse(disconnect())
        await asyncio.wait([reply.future])
        reply.finish()

    with pytest.raises(Disconnect, match="no"):
        asyncio.run(scenario())


def test_task_response_cancels_its_coroutine_when_the_client_leaves():
    async def scenario() -> None:
        reply = TaskResponse(respond())
        reply.abandon()
        await asyncio.wait([reply.future])
        reply.finish()

    with pytest.raises(Disconnect, match="its request was cancelled"):
        asyncio.run(scenario())
