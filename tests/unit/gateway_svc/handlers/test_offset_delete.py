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


def test_each_partition_has_an_answer_of_its_own():
    cluster = FakeCluster()
    answer = DeletedOffsets([None, GroupRefusal.GROUP_SUBSCRIBED_TO_TOPIC])
    cluster.coordinators.replies[DeleteOffsets] = answer
    response = cluster.send(offset_delete, REQUEST, 0)
    assert response.error_code is ErrorCode.NONE
    assert [partition.error_code for partition in response.topics[0].partitions] == [
        ErrorCode.NONE,
        ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC,
    ]
    assert cluster.coordinators.requests == [
        DeleteOffsets("g", [TopicPartitions("orders", [0, 1])])
    ]


def test_a_refusal_of_the_whole_request_is_returned():
    cluster = FakeCluster()
    refused = DeletedOffsets(refusal=GroupRefusal.GROUP_ID_NOT_FOUND)
    cluster.coordinators.replies[DeleteOffsets] = refused
    response = cluster.send(offset_delete, REQUEST, 0)
    assert (response.error_code, response.topics) == (ErrorCode.GROUP_ID_NOT_FOUND, ())


def test_partitions_that_do_not_exist_are_refused_and_the_others_deleted():
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
    (sent,) = cluster.coordinators.requests
    assert [topic.partitions for topic in sent.topics] == [[], [0, 1], []]
