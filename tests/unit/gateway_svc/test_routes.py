import asyncio

import pytest

from common.ports.classic_groups import DeleteGroup, DescribedGroup, DescribeGroup, GroupResult
from common.ports.consumer_groups import DescribeConsumerGroup, DescribedConsumerGroup
from gateway_svc.dispatch.dispatcher import Dispatcher
from gateway_svc.dispatch.reply import Deferred, PendingResponse
from gateway_svc.routes import ROUTES
from gateway_svc.wire.apis.api_versions import API_VERSIONS, ApiVersionsRequest
from gateway_svc.wire.apis.consumer_group_describe import ConsumerGroupDescribeRequest
from gateway_svc.wire.apis.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from gateway_svc.wire.apis.create_topics import CreatableTopic, CreateTopicsRequest
from gateway_svc.wire.apis.delete_groups import DeleteGroupsRequest
from gateway_svc.wire.apis.delete_topics import DeleteTopicsRequest, DeleteTopicState
from gateway_svc.wire.apis.describe_cluster import DescribeClusterRequest
from gateway_svc.wire.apis.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from gateway_svc.wire.apis.describe_groups import DescribeGroupsRequest
from gateway_svc.wire.apis.fetch import FetchPartition, FetchRequest, FetchTopic
from gateway_svc.wire.apis.find_coordinator import FindCoordinatorRequest
from gateway_svc.wire.apis.heartbeat import HeartbeatRequest
from gateway_svc.wire.apis.init_producer_id import InitProducerIdRequest
from gateway_svc.wire.apis.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from gateway_svc.wire.apis.leave_group import LeaveGroupRequest, MemberIdentity
from gateway_svc.wire.apis.list_groups import ListGroupsRequest
from gateway_svc.wire.apis.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from gateway_svc.wire.apis.metadata import MetadataRequest, MetadataRequestTopic
from gateway_svc.wire.apis.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from gateway_svc.wire.apis.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from gateway_svc.wire.apis.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
)
from gateway_svc.wire.apis.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from gateway_svc.wire.apis.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from gateway_svc.wire.apis.sync_group import SyncGroupRequest
from gateway_svc.wire.codec import decode, encode
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered
from tests.unit.gateway_svc.handlers.fake_cluster import ORDERS, PEER, FakeCluster

#: One request of each API, valid in every version.
REQUESTS = {
    0: ProduceRequest(
        acks=1,
        timeout_ms=100,
        topic_data=[
            TopicProduceData(
                name="orders",
                topic_id=ORDERS.topic_id,
                partition_data=[
                    PartitionProduceData(index=0, records=record_batch(numbered(1))),
                    PartitionProduceData(index=99, records=None),
                ],
            )
        ],
    ),
    1: FetchRequest(
        max_wait_ms=0,
        min_bytes=1,
        topics=[
            FetchTopic(
                topic="orders",
                topic_id=ORDERS.topic_id,
                partitions=[
                    FetchPartition(partition=index, fetch_offset=0, partition_max_bytes=10)
                    for index in (0, 99)
                ],
            )
        ],
    ),
    2: ListOffsetsRequest(
        topics=[
            ListOffsetsTopic(
                name="orders",
                partitions=[
                    ListOffsetsPartition(partition_index=index, timestamp=-1) for index in (0, 99)
                ],
            )
        ]
    ),
    3: MetadataRequest(topics=[MetadataRequestTopic(name="orders")]),
    8: OffsetCommitRequest(
        group_id="g",
        topics=[
            OffsetCommitRequestTopic(
                name="orders",
                topic_id=ORDERS.topic_id,
                partitions=[
                    OffsetCommitRequestPartition(
                        partition_index=index, committed_offset=1, committed_metadata=None
                    )
                    for index in (0, 99)
                ],
            )
        ],
    ),
    9: OffsetFetchRequest(
        group_id="g",
        topics=[OffsetFetchRequestTopic(name="orders", partition_indexes=[0])],
        groups=[OffsetFetchRequestGroup(group_id="g", topics=None)],
    ),
    10: FindCoordinatorRequest(key="g", coordinator_keys=["g"]),
    11: JoinGroupRequest(
        group_id="g",
        session_timeout_ms=10_000,
        member_id="m",
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
    ),
    12: HeartbeatRequest(group_id="g", generation_id=1, member_id="m"),
    13: LeaveGroupRequest(group_id="g", member_id="m", members=[MemberIdentity(member_id="m")]),
    14: SyncGroupRequest(group_id="g", generation_id=1, member_id="m", assignments=[]),
    15: DescribeGroupsRequest(groups=["g"]),
    16: ListGroupsRequest(),
    42: DeleteGroupsRequest(groups_names=["g"]),
    47: OffsetDeleteRequest(
        group_id="g",
        topics=[
            OffsetDeleteRequestTopic(
                name="orders", partitions=[OffsetDeleteRequestPartition(partition_index=0)]
            )
        ],
    ),
    68: ConsumerGroupHeartbeatRequest(group_id="g", member_id="m", member_epoch=1),
    69: ConsumerGroupDescribeRequest(group_ids=["g"]),
    18: ApiVersionsRequest(client_software_name="tests", client_software_version="1"),
    19: CreateTopicsRequest(
        topics=[CreatableTopic(name="fresh", num_partitions=1, replication_factor=1)],
        timeout_ms=100,
    ),
    20: DeleteTopicsRequest(
        topics=[DeleteTopicState(name="orders")], topic_names=["orders"], timeout_ms=100
    ),
    22: InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=100),
    23: OffsetForLeaderEpochRequest(
        topics=[
            OffsetForLeaderTopic(
                topic="orders",
                partitions=[
                    OffsetForLeaderPartition(partition=index, leader_epoch=7) for index in (0, 99)
                ],
            )
        ]
    ),
    32: DescribeConfigsRequest(
        resources=[
            DescribeConfigsResource(
                resource_type=2, resource_name="orders", configuration_keys=None
            )
        ]
    ),
    60: DescribeClusterRequest(),
}

EVERY_VERSION = [
    pytest.param(key, version, id=f"{route.api.name} v{version}")
    for key, route in sorted(ROUTES.items())
    for version in range(route.api.version_min, route.api.version_max + 1)
]


def frame(key: int, version: int) -> bytes:
    api = ROUTES[key].api
    tags = b"\0" if api.is_flexible(version) else b""
    head = key.to_bytes(2, "big") + version.to_bytes(2, "big") + b"\0\0\0\x07\xff\xff"
    return head + tags + b"".join(encode(REQUESTS[key], version, api.is_flexible(version)))


async def response_bytes(request_frame: bytes) -> bytes:
    cluster = FakeCluster()
    cluster.coordinators.replies |= {
        DescribeGroup: DescribedGroup("g"),
        DeleteGroup: GroupResult("g"),
        DescribeConsumerGroup: DescribedConsumerGroup("g"),
    }
    reply = Dispatcher(ROUTES, cluster.backends).connect(PEER)(request_frame)
    if isinstance(reply, Deferred):
        reply = reply.start()
    if isinstance(reply, PendingResponse):
        await asyncio.wait([reply.future])
        reply = reply.finish()
    assert reply is not None
    return b"".join(reply)


@pytest.mark.parametrize(("key", "version"), EVERY_VERSION)
def test_every_advertised_version_gets_a_valid_response(key, version, caplog):
    data = asyncio.run(response_bytes(frame(key, version)))
    api = ROUTES[key].api
    flexible = api.is_flexible(version)
    begin = 9 if flexible and key != API_VERSIONS.key else 8
    response, end = decode(api.response, data, begin, version, flexible)
    assert end == len(data)
    assert isinstance(response, api.response)
    assert not caplog.records


def test_api_versions_advertises_exactly_the_routes():
    data = asyncio.run(response_bytes(frame(API_VERSIONS.key, 0)))
    response, _ = decode(API_VERSIONS.response, data, 8, 0, False)
    advertised = {api.api_key: (api.min_version, api.max_version) for api in response.api_keys}
    assert advertised == {
        key: (route.api.version_min, route.api.version_max) for key, route in ROUTES.items()
    }


def test_every_route_has_a_request():
    assert set(REQUESTS) == set(ROUTES)
