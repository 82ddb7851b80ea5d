"""A real server: calls whose bytes are not a message, and handlers that raise."""

import asyncio
import logging

import grpc
import pytest
from grpc_health.v1 import health_pb2

from common.ports.unavailable import (
    BackendUnavailable,
    CallNotSent,
    ProcessReplaced,
    RegistrationRefused,
)
from common.rpc.channels import open_channel
from common.rpc.server import RpcServer, Service
from common.rpc.status import MalformedRequest, abort_with
from protos.partition.v1 import partition_pb2 as pb
from protos.partition.v1 import partition_pb2_grpc

GARBAGE = b"\x0a\xff\xff\xff\xff\x07"
HEALTH_CHECK = "/grpc.health.v1.Health/Check"
UNARY_CALL = "/partition.v1.PartitionService/DescribeLog"
STREAM = "/partition.v1.PartitionService/AppendStream"

STATUSES = [
    (MalformedRequest("a negative size"), grpc.StatusCode.INVALID_ARGUMENT),
    (RegistrationRefused("another volume"), grpc.StatusCode.FAILED_PRECONDITION),
    (ProcessReplaced("a later process"), grpc.StatusCode.FAILED_PRECONDITION),
    (CallNotSent("no owner"), grpc.StatusCode.UNAVAILABLE),
    (BackendUnavailable("stopping"), grpc.StatusCode.UNAVAILABLE),
]


class FailingServicer(partition_pb2_grpc.PartitionServiceServicer):
    def __init__(self, error):
        self._error = error

    async def DescribeLog(self, request, context):  # noqa: N802 - gRPC's name
        raise self._error

    async def AppendStream(self, requests, context):  # noqa: N802
        yield pb.AppendResponse()
        await abort_with(context, self._error)


async def _call(channel, method, data):
    if method is STREAM:
        return [response async for response in channel.stream_stream(method)([], timeout=30)]
    return await channel.unary_unary(method)(data, timeout=30)


def response_or_error(method, data=b"", *, error=None):
    """Returns the response's bytes, or the `RpcError` of a service that raises `error`."""
    add = partition_pb2_grpc.add_PartitionServiceServicer_to_server
    service = Service(
        "partition.v1.PartitionService", lambda server: add(FailingServicer(error), server)
    )

    async def scenario():
        server = RpcServer([service], address="127.0.0.1:0")
        await server.start()
        try:
            async with open_channel(f"127.0.0.1:{server.port}") as channel:
                return await _call(channel, method, data)
        finally:
            await server.stop(grace_s=0)

    try:
        return asyncio.run(scenario())
    except grpc.RpcError as error:
        return error


def test_undecodable_request_is_an_invalid_argument_and_logs_nothing(caplog):
    with caplog.at_level(logging.WARNING):
        error = response_or_error(HEALTH_CHECK, GARBAGE)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not caplog.records


def test_decodable_request_reaches_its_handler():
    response = health_pb2.HealthCheckResponse.FromString(response_or_error(HEALTH_CHECK))
    assert response.status == health_pb2.HealthCheckResponse.SERVING


def test_unknown_method_is_unimplemented():
    error = response_or_error("/grpc.health.v1.Health/Nothing")
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("method", [UNARY_CALL, STREAM])
@pytest.mark.parametrize(("raised", "code"), STATUSES)
def test_exception_ends_its_call_with_its_status_and_logs_nothing(method, raised, code, caplog):
    with caplog.at_level(logging.WARNING):
        error = response_or_error(method, error=raised)
    assert (error.code(), error.details()) == (code, str(raised))
    assert not caplog.records


@pytest.mark.parametrize("method", [UNARY_CALL, STREAM])
def test_bug_ends_its_call_with_unknown_and_logs_its_traceback(method, caplog):
    with caplog.at_level(logging.WARNING):
        error = response_or_error(method, error=KeyError("a bug"))
    assert error.code() is grpc.StatusCode.UNKNOWN
    assert caplog.records
