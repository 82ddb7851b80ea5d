import asyncio
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from common.rpc.channels import open_channel
from common.rpc.member_channel import MemberChannel, MemberNameInterceptor, is_other_member
from common.rpc.server import RpcServer

KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


@asynccontextmanager
async def member(name):
    """A server that is `name`, with a method of each kind that says so."""
    server = RpcServer([], address="127.0.0.1:0", interceptors=[MemberNameInterceptor(name)])

    async def answer(_request, _context):
        return name.encode()

    async def answers(_request, _context):
        yield name.encode()

    handlers = {
        kind: getattr(grpc, f"{kind}_rpc_method_handler")(
            answers if kind.endswith("stream") else answer,
            request_deserializer=bytes,
            response_serializer=bytes,
        )
        for kind in KINDS
    }
    server._server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("tests.Member", handlers),)
    )
    await server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.stop(grace_s=0)


async def said(channel, kind):
    asked_in, answered_in = kind.split("_")
    request = iter([b"?"]) if asked_in == "stream" else b"?"
    call = getattr(channel, kind)(f"/tests.Member/{kind}")(request)
    if answered_in == "unary":
        return (await call).decode()
    return [one.decode() async for one in call]


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_takes_calls_for_itself_and_no_other(kind):
    async def story():
        async with member("partition-1") as address:
            own, other = (
                MemberChannel("partition-1", address),
                MemberChannel("partition-0", address),
            )
            assert await said(own, kind) in ("partition-1", ["partition-1"])
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await said(other, kind)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            assert is_other_member(refused.value)
            assert "this is partition-1, not partition-0" in refused.value.details()
            await own.close()
            await other.close()

    asyncio.run(story())


def test_tools_and_probes_need_no_name():
    async def story():
        async with member("partition-1") as address:
            channel = open_channel(address)
            await HealthStub(channel).Check(HealthCheckRequest())
            await channel.close()

    asyncio.run(story())


def test_an_unknown_method_stays_unknown():
    async def story():
        async with member("partition-1") as address:
            channel = MemberChannel("partition-0", address)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await channel.unary_unary("/tests.Member/none")(b"")
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
            assert not is_other_member(refused.value)
            await channel.close()

    asyncio.run(story())
