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


def list_partition(index: int, timestamp: int, **fields: int) -> ListOffsetsPartition:
    return ListOffsetsPartition(partition_index=index, timestamp=timestamp, **fields)


def request(*partitions: ListOffsetsPartition, name: str = "orders", **fields: int):
    topic = ListOffsetsTopic(name=name, partitions=partitions)
    return ListOffsetsRequest(topics=[topic], **fields)


def results(response):
    return [
        (partition.partition_index, partition.error_code, partition.offset)
        for topic in response.topics
        for partition in topic.partitions
    ]


def test_list_offsets_queries_the_owner_with_all_fields():
    cluster = FakeCluster()
    cluster.send(
        list_offsets, request(list_partition(1, 123, current_leader_epoch=4), isolation_level=1), 6
    )
    assert cluster.partitions.offset_queries == [
        OffsetQuery(LogId(ORDERS.topic_id, 1), 123, 4, read_committed=True)
    ]


def test_list_offsets_returns_offset_timestamp_and_epoch():
    cluster = FakeCluster()
    cluster.partitions.offset_results = [OffsetResult(5, 123, 7)]
    ((partition,),) = [
        topic.partitions
        for topic in cluster.send(list_offsets, request(list_partition(0, 100)), 6).topics
    ]
    assert (
        partition.error_code,
        partition.offset,
        partition.timestamp,
        partition.leader_epoch,
    ) == (0, 5, 123, 7)


def test_list_offsets_returns_no_error_if_no_record_is_that_late():
    cluster = FakeCluster()
    cluster.partitions.offset_results = [OffsetResult()]
    assert results(cluster.send(list_offsets, request(list_partition(0, 100)), 6)) == [(0, 0, -1)]


@pytest.mark.parametrize(
    ("timestamp", "since"), [(-1, 0), (-2, 0), (-3, 7), (-4, 8), (-5, 9), (-6, 11), (-7, 99)]
)
def test_list_offsets_accepts_special_timestamps_since_their_versions(timestamp, since):
    cluster = FakeCluster()
    for version in range(1, 12):
        ((_, error_code, _),) = results(
            cluster.send(list_offsets, request(list_partition(0, timestamp)), version)
        )
        expected = ErrorCode.NONE if version >= since else ErrorCode.UNSUPPORTED_VERSION
        assert error_code is expected, version


def test_list_offsets_finds_no_tiered_offsets():
    cluster = FakeCluster()
    response = cluster.send(
        list_offsets,
        request(list_partition(0, -4), list_partition(1, -5), list_partition(2, -6)),
        11,
    )
    assert results(response) == [(0, 0, 10), (1, 0, -1), (2, 0, -1)]
    assert [query.timestamp for query in cluster.partitions.offset_queries] == [EARLIEST]


def test_list_offsets_rejects_a_repeated_partition_once():
    response = FakeCluster().send(
        list_offsets,
        request(list_partition(0, LATEST), list_partition(1, LATEST), list_partition(0, EARLIEST)),
        1,
    )
    assert results(response) == [
        (0, ErrorCode.INVALID_REQUEST, -1),
        (1, ErrorCode.NONE, 10),
    ]


def test_list_offsets_keeps_the_order_of_results_beside_unknown_partitions():
    response = FakeCluster().send(
        list_offsets,
        request(list_partition(9, LATEST), list_partition(0, LATEST), list_partition(-1, LATEST)),
        1,
    )
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert results(response) == [(9, unknown, -1), (0, 0, 10), (-1, unknown, -1)]
    unknown_topic = FakeCluster().send(
        list_offsets, request(list_partition(0, LATEST), name="nowhere"), 1
    )
    assert results(unknown_topic) == [(0, unknown, -1)]


def test_list_offsets_returns_a_refusal_as_an_error_code():
    cluster = FakeCluster()
    cluster.partitions.offset_results = [OffsetResult(refusal=Refusal.FENCED_LEADER_EPOCH)]
    assert results(cluster.send(list_offsets, request(list_partition(0, LATEST)), 4)) == [
        (0, ErrorCode.FENCED_LEADER_EPOCH, -1)
    ]


def test_list_offsets_is_retriable_if_the_owner_is_unavailable():
    cluster = FakeCluster()
    cluster.partitions.error = BackendUnavailable("unreachable")
    assert results(cluster.send(list_offsets, request(list_partition(0, LATEST)), 4)) == [
        (0, ErrorCode.NOT_LEADER_OR_FOLLOWER, -1)
    ]


@pytest.mark.parametrize(
    ("timestamp", "offset", "count", "expected"),
    [
        pytest.param(LATEST, 50, 1, [50], id="latest"),
        pytest.param(LATEST, 50, 10, [50, 3], id="latest and log start"),
        pytest.param(EARLIEST, 3, 10, [3], id="earliest"),
        pytest.param(1000, 20, 10, [20, 3], id="a time"),
        pytest.param(1000, -1, 10, [50, 3], id="a time after all records"),
        pytest.param(LATEST, 50, 0, [], id="limit 0"),
        pytest.param(LATEST, 50, -5, [], id="negative limit"),
        pytest.param(LATEST, 50, 2**31 - 1, [50, 3], id="large limit"),
    ],
)
def test_list_offsets_version_0_returns_offsets_newest_first(timestamp, offset, count, expected):
    cluster = FakeCluster()
    cluster.partitions.offset_results = [OffsetResult(offset), OffsetResult(50), OffsetResult(3)]
    response = cluster.send(
        list_offsets, request(list_partition(0, timestamp, max_num_offsets=count)), 0
    )
    assert [list(partition.old_style_offsets) for partition in response.topics[0].partitions] == [
        expected
    ]


def test_list_offsets_version_0_returns_one_offset_of_an_empty_log():
    cluster = FakeCluster()
    cluster.partitions.offset_results = [OffsetResult(0), OffsetResult(0), OffsetResult(0)]
    response = cluster.send(list_offsets, request(list_partition(0, LATEST, max_num_offsets=5)), 0)
    assert list(response.topics[0].partitions[0].old_style_offsets) == [0]
