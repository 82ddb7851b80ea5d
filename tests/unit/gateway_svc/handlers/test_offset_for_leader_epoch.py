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


def asked(partition: int, epoch: int = 7, **fields: int) -> OffsetForLeaderPartition:
    return OffsetForLeaderPartition(partition=partition, leader_epoch=epoch, **fields)


def request(*partitions: OffsetForLeaderPartition, name: str = "orders", **fields: int):
    topic = OffsetForLeaderTopic(topic=name, partitions=partitions)
    return OffsetForLeaderEpochRequest(topics=[topic], **fields)


def answers(response):
    return [
        (partition.partition, partition.error_code, partition.leader_epoch, partition.end_offset)
        for topic in response.topics
        for partition in topic.partitions
    ]


def test_a_query_has_the_requested_and_the_current_epoch():
    cluster = FakeCluster()
    cluster.send(offset_for_leader_epoch, request(asked(1, 5, current_leader_epoch=6)), 4)
    assert cluster.partitions.epoch_queries == [EpochQuery(LogId(ORDERS.topic_id, 1), 5, 6)]


def test_a_repeated_query_has_two_results_and_one_call():
    cluster = FakeCluster()
    partitions = [asked(0), asked(1), asked(0), asked(0, 3), asked(9)] * 2
    response = cluster.send(offset_for_leader_epoch, request(*partitions), 4)
    assert [
        (query.log.partition, query.leader_epoch) for query in cluster.partitions.epoch_queries
    ] == [
        (0, 7),
        (1, 7),
        (0, 3),
    ]
    assert [end for _, _, _, end in answers(response)] == [10, 11, 10, 12, -1] * 2


@pytest.mark.parametrize("replica_id", [-1, -2, 0, 5])
def test_the_replica_id_changes_no_response(replica_id):
    response = FakeCluster().send(
        offset_for_leader_epoch, request(asked(0), replica_id=replica_id), 3
    )
    assert answers(response) == [(0, 0, 7, 10)]


def test_an_epoch_of_which_nothing_is_known_is_no_error():
    cluster = FakeCluster()
    cluster.partitions.epoch_results = [EpochEndOffset()]
    response = cluster.send(offset_for_leader_epoch, request(asked(0, 99)), 4)
    assert answers(response) == [(0, 0, -1, -1)]


def test_unknown_partitions_do_not_shift_the_answers_of_others():
    response = FakeCluster().send(
        offset_for_leader_epoch, request(asked(9), asked(0), asked(-1)), 4
    )
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert answers(response) == [(9, unknown, -1, -1), (0, 0, 7, 10), (-1, unknown, -1, -1)]
    elsewhere = FakeCluster().send(offset_for_leader_epoch, request(asked(0), name="nowhere"), 4)
    assert answers(elsewhere) == [(0, unknown, -1, -1)]


@pytest.mark.parametrize(
    ("refusal", "error_code"),
    [
        (Refusal.FENCED_LEADER_EPOCH, ErrorCode.FENCED_LEADER_EPOCH),
        (Refusal.UNKNOWN_LEADER_EPOCH, ErrorCode.UNKNOWN_LEADER_EPOCH),
        (Refusal.NOT_OWNER, ErrorCode.NOT_LEADER_OR_FOLLOWER),
    ],
)
def test_a_refusal_becomes_kafkas_error_code(refusal, error_code):
    cluster = FakeCluster()
    cluster.partitions.epoch_results = [EpochEndOffset(refusal=refusal)]
    response = cluster.send(offset_for_leader_epoch, request(asked(0)), 4)
    assert answers(response) == [(0, error_code, -1, -1)]


def test_an_owner_that_does_not_answer_is_retriable():
    cluster = FakeCluster()
    cluster.partitions.error = BackendUnavailable("gone")
    response = cluster.send(offset_for_leader_epoch, request(asked(0)), 4)
    assert answers(response) == [(0, ErrorCode.NOT_LEADER_OR_FOLLOWER, -1, -1)]
