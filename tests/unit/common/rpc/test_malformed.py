"""A real server, and calls whose bytes are no message."""

import asyncio
import logging

import grpc
from grpc_health.v1 import health_pb2

from common.rpc.channels import open_channel
from common.rpc.server import RpcServer

GARBAGE = b"\x0a\xff\xff\xff\xff\x07"


def answer_to(method, data):
    """What a call with these bytes gets: the answer's bytes, or its status."""

    async def case():
        server = RpcServer([], address="127.0.0.1:0")
        await server.start()
        try:
            async with open_channel(f"127.0.0.1:{server.port}") as channel:
                return await channel.unary_unary(method)(data, timeout=30)
        finally:
            await server.stop(grace_s=0)

    try:
        return asyncio.run(case())
    except grpc.RpcError as error:
        return error.code()


def test_a_request_that_is_no_message_is_an_invalid_argument_and_no_bug(caplog):
    with caplog.at_level(logging.WARNING):
        status = answer_to("/grpc.health.v1.Health/Check", GARBAGE)
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert not caplog.records


def test_a_request_that_is_one_goes_on():
    answer = health_pb2.HealthCheckResponse.FromString(
        answer_to("/grpc.health.v1.Health/Check", b"")
    )
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_method_that_does_not_exist_is_unimplemented():
    status = answer_to("/grpc.health.v1.Health/Nothing", b"")
    assert status is grpc.StatusCode.UNIMPLEMENTED
