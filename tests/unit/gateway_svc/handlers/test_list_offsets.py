import pytest

from common.ports.partitions import LogId, OffsetQuery, OffsetResult, Refusal
from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.list_offsets import list_offsets
from gateway_svc.wire.apis.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import ORDERS, FakeCluster

LATEST, EARLIEST = -1, -2


def asked(partition: int, timestamp: int, **fields: int) -> ListOffsetsPartition:
    return ListOffsetsPartition(partition_index=partition, timestamp=timestamp, **fields)


def request(*partitions: ListOffsetsPartition, name: str = "orders", **fields: int):
    topic = ListOffsetsTopic(name=name, partitions=partitions)
    return ListOffsetsRequest(topics=[topic], **fields)


def answers(response):
    return [
        (partition.partition_index, partition.error_code, partition.offset)
        for topic in response.topics
        for partition in topic.partitions
    ]


def test_a_query_has_all_fields_of_the_request():
    cluster = FakeCluster()
    cluster.send(list_offsets, request(asked(1, 123, current_leader_epoch=4), isolation_level=1), 6)
    assert cluster.partitions.offset_queries == [
        OffsetQuery(LogId(ORDERS.topic_id, 1), 123, 4, read_committed=True)
    ]


def test_the_answer_has_offset_time_and_epoch():
    cluster = FakeCluster()
    cluster.partitions.offset_results = [OffsetResult(5, 123, 7)]
    ((one,),) = [t.partitions for t in cluster.send(list_offsets, request(asked(0, 100)), 6).topics]
    assert (one.error_code, one.offset, one.timestamp, one.leader_epoch) == (0, 5, 123, 7)


def test_no_record_of_that_time_is_no_error():
    cluster = FakeCluster()
    cluster.partitions.offset_results = [OffsetResult()]
    assert answers(cluster.send(list_offsets, request(asked(0, 100)), 6)) == [(0, 0, -1)]


@pytest.mark.parametrize(
    ("timestamp", "since"), [(-1, 0), (-2, 0), (-3, 7), (-4, 8), (-5, 9), (-6, 11), (-7, 99)]
)
def test_special_timestamps_have_their_meaning_since_their_versions(timestamp, since):
    cluster = FakeCluster()
    for version in range(1, 12):
        ((_, error_code, _),) = answers(
            cluster.send(list_offsets, request(asked(0, timestamp)), version)
        )
        expected = ErrorCode.NONE if version >= since else ErrorCode.UNSUPPORTED_VERSION
        assert error_code is expected, version


def test_nothing_is_tiered():
    cluster = FakeCluster()
    response = cluster.send(list_offsets, request(asked(0, -4), asked(1, -5), asked(2, -6)), 11)
    assert answers(response) == [(0, 0, 10), (1, 0, -1), (2, 0, -1)]
    assert [query.timestamp for query in cluster.partitions.offset_queries] == [EARLIEST]


def test_a_repeated_partition_is_refused_once():
    response = FakeCluster().send(
        list_offsets, request(asked(0, LATEST), asked(1, LATEST), asked(0, EARLIEST)), 1
    )
    assert answers(response) == [
        (0, ErrorCode.INVALID_REQUEST, -1),
        (1, ErrorCode.NONE, 10),
    ]


def test_unknown_partitions_do_not_shift_the_answers_of_others():
    response = FakeCluster().send(
        list_offsets, request(asked(9, LATEST), asked(0, LATEST), asked(-1, LATEST)), 1
    )
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert answers(response) == [(9, unknown, -1), (0, 0, 10), (-1, unknown, -1)]
    elsewhere = FakeCluster().send(list_offsets, request(asked(0, LATEST), name="nowhere"), 1)
    assert answers(elsewhere) == [(0, unknown, -1)]


def test_a_refusal_becomes_kafkas_error_code():
    cluster = FakeCluster()
    cluster.partitions.offset_results = [OffsetResult(refusal=Refusal.FENCED_LEADER_EPOCH)]
    assert answers(cluster.send(list_offsets, request(asked(0, LATEST)), 4)) == [
        (0, ErrorCode.FENCED_LEADER_EPOCH, -1)
    ]


def test_an_owner_that_does_not_answer_is_retriable():
    cluster = FakeCluster()
    cluster.partitions.error = BackendUnavailable("gone")
    assert answers(cluster.send(list_offsets, request(asked(0, LATEST)), 4)) == [
        (0, ErrorCode.NOT_LEADER_OR_FOLLOWER, -1)
    ]


@pytest.mark.parametrize(
    ("timestamp", "found", "count", "expected"),
    [
        pytest.param(LATEST, 50, 1, [50], id="latest"),
        pytest.param(LATEST, 50, 10, [50, 3], id="latest and as many as there are"),
        pytest.param(EARLIEST, 3, 10, [3], id="earliest"),
        pytest.param(1000, 20, 10, [20, 3], id="a time"),
        pytest.param(1000, -1, 10, [50, 3], id="a time after all records"),
        pytest.param(LATEST, 50, 0, [], id="none wanted"),
        pytest.param(LATEST, 50, -5, [], id="fewer than none wanted"),
        pytest.param(LATEST, 50, 2**31 - 1, [50, 3], id="very many wanted"),
    ],
)
def test_version_0_answers_lists_of_offsets_newest_first(timestamp, found, count, expected):
    cluster = FakeCluster()
    cluster.partitions.offset_results = [OffsetResult(found), OffsetResult(50), OffsetResult(3)]
    response = cluster.send(list_offsets, request(asked(0, timestamp, max_num_offsets=count)), 0)
    assert [list(partition.old_style_offsets) for partition in response.topics[0].partitions] == [
        expected
    ]


def test_version_0_of_an_empty_log_lists_its_one_offset_once():
    cluster = FakeCluster()
    cluster.partitions.offset_results = [OffsetResult(0), OffsetResult(0), OffsetResult(0)]
    response = cluster.send(list_offsets, request(asked(0, LATEST, max_num_offsets=5)), 0)
    assert list(response.topics[0].partitions[0].old_style_offsets) == [0]
