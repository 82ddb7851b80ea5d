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
async def run_member(name):
    """Runs a server of member `name`, with a method of each kind that returns the name."""
    server = RpcServer([], address="127.0.0.1:0", interceptors=[MemberNameInterceptor(name)])

    async def respond(_request, _context):
        return name.encode()

    async def respond_stream(_request, _context):
        yield name.encode()

    handlers = {
        kind: getattr(grpc, f"{kind}_rpc_method_handler")(
            respond_stream if kind.endswith("stream") else respond,
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


async def call_method(channel, kind):
    request_kind, response_kind = kind.split("_")
    request = iter([b"request"]) if request_kind == "stream" else b"request"
    call = getattr(channel, kind)(f"/tests.Member/{kind}")(request)
    if response_kind == "unary":
        return (await call).decode()
    return [response.decode() async for response in call]


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_accepts_calls_for_itself_only(kind):
    async def scenario():
        async with run_member("partition-1") as address:
            own, other = (
                MemberChannel("partition-1", address),
                MemberChannel("partition-0", address),
            )
            assert await call_method(own, kind) in ("partition-1", ["partition-1"])
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await call_method(other, kind)
            assert error.value.code() is grpc.StatusCode.UNAVAILABLE
            assert is_other_member(error.value)
            assert "this is partition-1, not partition-0" in error.value.details()
            await own.close()
            await other.close()

    asyncio.run(scenario())


def test_calls_without_a_member_name_are_accepted():
    async def scenario():
        async with run_member("partition-1") as address:
            channel = open_channel(address)
            await HealthStub(channel).Check(HealthCheckRequest())
            await channel.close()

    asyncio.run(scenario())


def test_an_unknown_method_is_unimplemented():
    async def scenario():
        async with run_member("partition-1") as address:
            channel = MemberChannel("partition-0", address)
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await channel.unary_unary("/tests.Member/none")(b"")
            assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
            assert not is_other_member(error.value)
            await channel.close()

    asyncio.run(scenario())
