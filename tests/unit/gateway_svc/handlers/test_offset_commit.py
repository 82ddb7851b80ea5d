import pytest

from common.ports.group_errors import GroupClient, GroupRefusal
from common.ports.group_offsets import CommitOffsets, CommitResult, OffsetToCommit
from gateway_svc.handlers.offset_commit import offset_commit
from gateway_svc.wire.apis.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import NO_SUCH_ID, ORDERS, FakeCluster


def commit_partition(index, offset=9, **fields):
    return OffsetCommitRequestPartition(
        partition_index=index, committed_offset=offset, committed_metadata=None, **fields
    )


def commit_request(*partitions, name="orders", **fields):
    topic = OffsetCommitRequestTopic(name=name, partitions=partitions)
    return OffsetCommitRequest(group_id="g", topics=[topic], **fields)


def errors(response):
    return [
        (partition.partition_index, partition.error_code)
        for topic in response.topics
        for partition in topic.partitions
    ]


def test_offset_commit_forwards_all_fields():
    cluster = FakeCluster()
    cluster.coordinators.replies[CommitOffsets] = CommitResult([None])
    partition = OffsetCommitRequestPartition(
        partition_index=2, committed_offset=9, committed_leader_epoch=4, committed_metadata="why"
    )
    request = commit_request(
        partition, generation_id_or_member_epoch=3, member_id="m", group_instance_id="i"
    )
    assert errors(cluster.send(offset_commit, request, 9)) == [(2, ErrorCode.NONE)]
    assert cluster.coordinators.requests == [
        CommitOffsets(
            "g",
            [OffsetToCommit("orders", 2, 9, 4, "why", ORDERS.topic_id)],
            "m",
            3,
            "i",
            GroupClient("a client", "/10.0.0.9"),
        )
    ]


@pytest.mark.parametrize(("version", "predates"), [(8, True), (9, False)])
def test_offset_commit_forwards_whether_its_version_predates_member_epochs(version, predates):
    cluster = FakeCluster()
    cluster.coordinators.replies[CommitOffsets] = CommitResult([None])
    cluster.send(offset_commit, commit_request(commit_partition(0)), version)
    assert cluster.coordinators.requests[0].predates_epochs is predates


def test_offset_commit_rejects_missing_partitions_and_commits_the_others():
    cluster = FakeCluster()
    refusal = GroupRefusal.OFFSET_METADATA_TOO_LARGE
    cluster.coordinators.replies[CommitOffsets] = CommitResult([None, refusal])
    request = commit_request(
        commit_partition(9), commit_partition(0), commit_partition(-1), commit_partition(1)
    )
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert errors(cluster.send(offset_commit, request, 5)) == [
        (9, unknown),
        (0, ErrorCode.NONE),
        (-1, unknown),
        (1, ErrorCode.OFFSET_METADATA_TOO_LARGE),
    ]
    (commit,) = cluster.coordinators.requests
    assert [offset.partition for offset in commit.offsets] == [0, 1]


def test_offset_commit_repeats_a_refusal_of_the_request_for_each_partition():
    cluster = FakeCluster()
    refusal = CommitResult(refusal=GroupRefusal.REBALANCE_IN_PROGRESS)
    cluster.coordinators.replies[CommitOffsets] = refusal
    response = cluster.send(
        offset_commit, commit_request(commit_partition(0), commit_partition(1)), 8
    )
    assert errors(response) == [
        (0, ErrorCode.REBALANCE_IN_PROGRESS),
        (1, ErrorCode.REBALANCE_IN_PROGRESS),
    ]


def test_offset_commit_calls_no_coordinator_if_all_topics_are_missing():
    cluster = FakeCluster()
    response = cluster.send(offset_commit, commit_request(commit_partition(0), name="nowhere"), 8)
    assert errors(response) == [(0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]
    assert cluster.coordinators.requests == []


def test_offset_commit_resolves_topic_ids_since_version_10():
    cluster = FakeCluster()
    cluster.coordinators.replies[CommitOffsets] = CommitResult([None])
    request = OffsetCommitRequest(
        group_id="g",
        topics=[
            OffsetCommitRequestTopic(topic_id=NO_SUCH_ID, partitions=[commit_partition(0)]),
            OffsetCommitRequestTopic(topic_id=ORDERS.topic_id, partitions=[commit_partition(1)]),
        ],
    )
    response = cluster.send(offset_commit, request, 10)
    assert errors(response) == [(0, ErrorCode.UNKNOWN_TOPIC_ID), (1, ErrorCode.NONE)]
    assert cluster.coordinators.requests[0].offsets[0].topic == "orders"


def test_offset_commit_forwards_the_retention_of_old_versions():
    cluster = FakeCluster()
    cluster.coordinators.replies[CommitOffsets] = CommitResult([None])
    retentions_ms = [60_000, -1, 2**63 - 1, -(2**63), -(2**40)]
    for retention_ms in retentions_ms:
        request = commit_request(commit_partition(0), retention_time_ms=retention_ms)
        assert errors(cluster.send(offset_commit, request, 2)) == [(0, ErrorCode.NONE)]
    assert [
        commit.offsets[0].retention_ms for commit in cluster.coordinators.requests
    ] == retentions_ms


def test_offset_commit_forwards_the_commit_time_of_version_1():
    cluster = FakeCluster()
    cluster.coordinators.replies[CommitOffsets] = CommitResult([None])
    for timestamp in (1000, -1):
        cluster.send(
            offset_commit, commit_request(commit_partition(0, commit_timestamp=timestamp)), 1
        )
    (with_timestamp,), (without_timestamp,) = [
        commit.offsets for commit in cluster.coordinators.requests
    ]
    assert (with_timestamp.committed_at_ms, with_timestamp.retention_ms) == (1000, -1)
    assert (without_timestamp.committed_at_ms, without_timestamp.retention_ms) == (0, -1)


@pytest.mark.parametrize("version", range(OFFSET_COMMIT.version_min, OFFSET_COMMIT.version_max + 1))
@pytest.mark.parametrize("count", [1, 3, 17])
def test_offset_commit_encodes_a_full_success_as_the_codec_does(version, count):
    cluster = FakeCluster()
    cluster.coordinators.replies[CommitOffsets] = CommitResult([None] * count)
    # The same partitions repeatedly: a cached response must not be returned for another one.
    for index in (0, 2, 0):
        topic = OffsetCommitRequestTopic(
            name="orders" if version < 10 else "",
            topic_id=ORDERS.topic_id if version >= 10 else bytes(16),
            partitions=[commit_partition(index)] * count,
        )
        request = OffsetCommitRequest(group_id="g", topics=[topic])
        response = cluster.send(offset_commit, request, version)
        assert errors(response) == [(index, ErrorCode.NONE)] * count
        (topic_response,) = response.topics
        assert (topic_response.name, topic_response.topic_id) == (topic.name, topic.topic_id)


@pytest.mark.parametrize(
    ("version", "error"),
    [(9, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION), (10, ErrorCode.UNKNOWN_TOPIC_ID)],
)
def test_offset_commit_returns_unknown_topic_id_for_a_recreated_topic(version, error):
    cluster = FakeCluster()
    refusal = GroupRefusal.UNKNOWN_TOPIC_OR_PARTITION
    cluster.coordinators.replies[CommitOffsets] = CommitResult([refusal])
    topic = OffsetCommitRequestTopic(
        name="orders", topic_id=ORDERS.topic_id, partitions=[commit_partition(0)]
    )
    request = OffsetCommitRequest(group_id="g", topics=[topic])
    assert errors(cluster.send(offset_commit, request, version)) == [(0, error)]
