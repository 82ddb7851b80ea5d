import asyncio
from contextlib import asynccontextmanager

import grpc
import pytest

from common.client.groups.coordinator_client import GrpcCoordinators
from common.ports.group_errors import GroupRefusal
from common.rpc.channels import open_channel
from common.rpc.server import RpcServer
from partition_svc.rpc.coordinator_servicer import CoordinatorServicer, service
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.coordinator.v1.coordinator_pb2_grpc import CoordinatorServiceStub
from tests.contracts.coordinators_contract import CoordinatorsContract
from tests.support.groups.groups import (
    join_and_sync_alone,
    join_request,
    new_member_id,
    running_coordinators,
    wait_until_parked,
)


@asynccontextmanager
async def serve(coordinators):
    """Serves `coordinators` over TCP; yields a channel to the server."""
    server = RpcServer([service(CoordinatorServicer(coordinators))], address="127.0.0.1:0")
    await server.start()
    channel = open_channel(f"127.0.0.1:{server.port}")
    try:
        yield channel
    finally:
        await channel.close()
        await server.stop(grace_s=0)


class TestCoordinatorsOverGrpc(CoordinatorsContract):
    @asynccontextmanager
    async def opened(self, folder, **settings):
        async with (
            running_coordinators(folder, **settings) as (_, coordinators),
            serve(coordinators) as channel,
        ):
            yield GrpcCoordinators("partition-0", channel)


def test_requests_that_could_not_be_logged_are_invalid_arguments(tmp_path):
    wrong = pb.CommitOffsetsRequest(group_id="g", offsets=[pb.OffsetToCommit(topic_id=b"short")])
    long = "x" * 40_000
    request = pb.JoinGroupRequest(group_id="g", protocols=[pb.GroupProtocol(name=long)])

    async def test():
        async with (
            asyncio.timeout(60),
            running_coordinators(tmp_path) as (_, coordinators),
            serve(coordinators) as channel,
        ):
            stub = CoordinatorServiceStub(channel)
            calls = [
                stub.CommitOffsets(wrong),
                stub.JoinGroup(request),
                stub.DescribeGroups(pb.GroupIds(group_ids=["a", long])),
            ]
            for call in calls:
                with pytest.raises(grpc.aio.AioRpcError) as raised:
                    await call
                assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    asyncio.run(test())


def test_waiting_join_gets_a_reply_when_the_service_stops(tmp_path):
    async def test():
        async with (
            asyncio.timeout(60),
            running_coordinators(tmp_path) as (_, coordinators),
            serve(coordinators) as channel,
        ):
            client = GrpcCoordinators("partition-0", channel)
            await join_and_sync_alone(client)
            waiting = client.call(join_request(await new_member_id(client)))
            await wait_until_parked([waiting])
            await coordinators.drain()
            assert (await waiting).refusal is GroupRefusal.NOT_COORDINATOR

    asyncio.run(test())
