import pytest

from common.ports.partitions import EpochEndOffset, EpochQuery, LogId, Refusal
from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.offset_for_leader_epoch import offset_for_leader_epoch
from gateway_svc.wire.apis.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import ORDERS, FakeCluster


def epoch_partition(index: int, epoch: int = 7, **fields: int) -> OffsetForLeaderPartition:
    return OffsetForLeaderPartition(partition=index, leader_epoch=epoch, **fields)


def request(*partitions: OffsetForLeaderPartition, name: str = "orders", **fields: int):
    topic = OffsetForLeaderTopic(topic=name, partitions=partitions)
    return OffsetForLeaderEpochRequest(topics=[topic], **fields)


def results(response):
    return [
        (partition.partition, partition.error_code, partition.leader_epoch, partition.end_offset)
        for topic in response.topics
        for partition in topic.partitions
    ]


def test_offset_for_leader_epoch_queries_the_requested_and_the_current_epoch():
    cluster = FakeCluster()
    cluster.send(offset_for_leader_epoch, request(epoch_partition(1, 5, current_leader_epoch=6)), 4)
    assert cluster.partitions.epoch_queries == [EpochQuery(LogId(ORDERS.topic_id, 1), 5, 6)]


def test_offset_for_leader_epoch_queries_a_repeated_partition_once():
    cluster = FakeCluster()
    partitions = [
        epoch_partition(0),
        epoch_partition(1),
        epoch_partition(0),
        epoch_partition(0, 3),
        epoch_partition(9),
    ] * 2
    response = cluster.send(offset_for_leader_epoch, request(*partitions), 4)
    assert [
        (query.log.partition, query.leader_epoch) for query in cluster.partitions.epoch_queries
    ] == [
        (0, 7),
        (1, 7),
        (0, 3),
    ]
    assert [end for _, _, _, end in results(response)] == [10, 11, 10, 12, -1] * 2


@pytest.mark.parametrize("replica_id", [-1, -2, 0, 5])
def test_offset_for_leader_epoch_ignores_the_replica_id(replica_id):
    response = FakeCluster().send(
        offset_for_leader_epoch, request(epoch_partition(0), replica_id=replica_id), 3
    )
    assert results(response) == [(0, 0, 7, 10)]


def test_offset_for_leader_epoch_returns_no_error_for_an_unknown_epoch():
    cluster = FakeCluster()
    cluster.partitions.epoch_results = [EpochEndOffset()]
    response = cluster.send(offset_for_leader_epoch, request(epoch_partition(0, 99)), 4)
    assert results(response) == [(0, 0, -1, -1)]


def test_offset_for_leader_epoch_keeps_the_order_of_results_beside_unknown_partitions():
    response = FakeCluster().send(
        offset_for_leader_epoch,
        request(epoch_partition(9), epoch_partition(0), epoch_partition(-1)),
        4,
    )
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert results(response) == [(9, unknown, -1, -1), (0, 0, 7, 10), (-1, unknown, -1, -1)]
    unknown_topic = FakeCluster().send(
        offset_for_leader_epoch, request(epoch_partition(0), name="nowhere"), 4
    )
    assert results(unknown_topic) == [(0, unknown, -1, -1)]


@pytest.mark.parametrize(
    ("refusal", "error_code"),
    [
        (Refusal.FENCED_LEADER_EPOCH, ErrorCode.FENCED_LEADER_EPOCH),
        (Refusal.UNKNOWN_LEADER_EPOCH, ErrorCode.UNKNOWN_LEADER_EPOCH),
        (Refusal.NOT_OWNER, ErrorCode.NOT_LEADER_OR_FOLLOWER),
    ],
)
def test_offset_for_leader_epoch_returns_a_refusal_as_an_error_code(refusal, error_code):
    cluster = FakeCluster()
    cluster.partitions.epoch_results = [EpochEndOffset(refusal=refusal)]
    response = cluster.send(offset_for_leader_epoch, request(epoch_partition(0)), 4)
    assert results(response) == [(0, error_code, -1, -1)]


def test_offset_for_leader_epoch_is_retriable_if_the_owner_is_unavailable():
    cluster = FakeCluster()
    cluster.partitions.error = BackendUnavailable("unreachable")
    response = cluster.send(offset_for_leader_epoch, request(epoch_partition(0)), 4)
    assert results(response) == [(0, ErrorCode.NOT_LEADER_OR_FOLLOWER, -1, -1)]
