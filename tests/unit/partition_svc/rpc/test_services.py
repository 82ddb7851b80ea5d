import asyncio

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from common.rpc.channels import open_channel
from common.rpc.server import RpcServer
from partition_svc.rpc.services import PartitionServices
from protos.coordinator.v1 import coordinator_pb2
from protos.coordinator.v1.coordinator_pb2_grpc import CoordinatorServiceStub
from protos.partition.v1 import partition_pb2 as pb
from protos.partition.v1.partition_pb2_grpc import PartitionServiceStub
from tests.support.groups.groups import DATA_TOPIC_ID, GROUP, running_coordinators
from tests.support.stores.partition_core import batch

#: Longer than the test may take, so that a stream which `drain` does not end fails the test.
_GRACE_S = 600

_APPEND = pb.AppendRequest(appends=[pb.Append(topic_id=DATA_TOPIC_ID, batch=batch())])
_READ = pb.FetchRequest(partitions=[pb.FetchPartition(topic_id=DATA_TOPIC_ID)])
_FETCH = pb.FetchStreamRequest(calls=[pb.FetchCall(fetch_id=1, fetch=_READ)])
_HEARTBEAT = coordinator_pb2.GroupHeartbeat(group_id=GROUP, member_id="a-member", generation_id=1)
_GROUP_CALLS = coordinator_pb2.GroupCalls(
    calls=[coordinator_pb2.GroupCall(call_id=1, heartbeat=_HEARTBEAT)]
)


async def read_first_response(stream, request):
    """Sends `request`, reads one response, and returns the stream."""
    await stream.write(request)
    assert await stream.read() is not grpc.aio.EOF
    return stream


def test_draining_ends_all_open_streams_and_stops_the_server(tmp_path):
    async def scenario():
        async with asyncio.timeout(60), running_coordinators(tmp_path) as (core, coordinators):
            services = PartitionServices(core, coordinators)
            server = RpcServer(services.offered, address="127.0.0.1:0")
            await server.start()
            await server.set_ready(True)
            async with open_channel(f"127.0.0.1:{server.port}") as channel:
                partitions, groups = PartitionServiceStub(channel), CoordinatorServiceStub(channel)
                streams = [
                    await read_first_response(partitions.AppendStream(), _APPEND),
                    await read_first_response(partitions.FetchStream(), _FETCH),
                    await read_first_response(groups.CallStream(), _GROUP_CALLS),
                ]
                await services.drain(server, grace_s=_GRACE_S)
                for stream in streams:
                    assert await stream.code() is grpc.StatusCode.UNAVAILABLE
                    assert "stopping" in await stream.details()
                with pytest.raises(grpc.aio.AioRpcError):
                    await HealthStub(channel).Check(HealthCheckRequest(), timeout=1)

    asyncio.run(scenario())
