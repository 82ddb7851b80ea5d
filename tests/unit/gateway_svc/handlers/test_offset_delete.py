from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import DeletedOffsets, DeleteOffsets, TopicPartitions
from gateway_svc.handlers.offset_delete import offset_delete
from gateway_svc.wire.apis.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster

REQUEST = OffsetDeleteRequest(
    group_id="g",
    topics=[
        OffsetDeleteRequestTopic(
            name="orders",
            partitions=[OffsetDeleteRequestPartition(partition_index=n) for n in (0, 1)],
        )
    ],
)


def test_offset_delete_returns_an_error_for_each_partition():
    cluster = FakeCluster()
    reply = DeletedOffsets([None, GroupRefusal.GROUP_SUBSCRIBED_TO_TOPIC])
    cluster.coordinators.replies[DeleteOffsets] = reply
    response = cluster.send(offset_delete, REQUEST, 0)
    assert response.error_code is ErrorCode.NONE
    assert [partition.error_code for partition in response.topics[0].partitions] == [
        ErrorCode.NONE,
        ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC,
    ]
    assert cluster.coordinators.requests == [
        DeleteOffsets("g", [TopicPartitions("orders", [0, 1])])
    ]


def test_offset_delete_returns_a_refusal_of_the_request():
    cluster = FakeCluster()
    refusal = DeletedOffsets(refusal=GroupRefusal.GROUP_ID_NOT_FOUND)
    cluster.coordinators.replies[DeleteOffsets] = refusal
    response = cluster.send(offset_delete, REQUEST, 0)
    assert (response.error_code, response.topics) == (ErrorCode.GROUP_ID_NOT_FOUND, ())


def test_offset_delete_rejects_missing_partitions_and_deletes_the_others():
    cluster = FakeCluster()
    cluster.coordinators.replies[DeleteOffsets] = DeletedOffsets([None, None])
    topics = [
        OffsetDeleteRequestTopic(
            name=name, partitions=[OffsetDeleteRequestPartition(partition_index=n) for n in indexes]
        )
        for name, indexes in (("nowhere", [0]), ("orders", [0, 99, -1, 1]), ("orders", []))
    ]
    response = cluster.send(offset_delete, OffsetDeleteRequest(group_id="g", topics=topics), 0)
    unknown, none = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.NONE
    assert [
        [(partition.partition_index, partition.error_code) for partition in topic.partitions]
        for topic in response.topics
    ] == [[(0, unknown)], [(0, none), (99, unknown), (-1, unknown), (1, none)], []]
    (forwarded,) = cluster.coordinators.requests
    assert [topic.partitions for topic in forwarded.topics] == [[], [0, 1], []]
