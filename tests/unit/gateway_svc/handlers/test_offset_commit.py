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


def partition(index, offset=9, **fields):
    return OffsetCommitRequestPartition(
        partition_index=index, committed_offset=offset, committed_metadata=None, **fields
    )


def request(*partitions, name="orders", **fields):
    topic = OffsetCommitRequestTopic(name=name, partitions=partitions)
    return OffsetCommitRequest(group_id="g", topics=[topic], **fields)


def errors(response):
    return [
        (one.partition_index, one.error_code)
        for topic in response.topics
        for one in topic.partitions
    ]


def test_everything_that_is_committed_reaches_the_coordinator():
    cluster = FakeCluster()
    cluster.coordinators.replies[CommitOffsets] = CommitResult([None])
    one = OffsetCommitRequestPartition(
        partition_index=2, committed_offset=9, committed_leader_epoch=4, committed_metadata="why"
    )
    asked = request(one, generation_id_or_member_epoch=3, member_id="m", group_instance_id="i")
    assert errors(cluster.send(offset_commit, asked, 9)) == [(2, ErrorCode.NONE)]
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
def test_the_coordinator_learns_if_the_version_has_member_epochs(version, predates):
    cluster = FakeCluster()
    cluster.coordinators.replies[CommitOffsets] = CommitResult([None])
    cluster.send(offset_commit, request(partition(0)), version)
    assert cluster.coordinators.requests[0].predates_epochs is predates


def test_partitions_that_do_not_exist_are_refused_and_the_others_committed():
    cluster = FakeCluster()
    refused = GroupRefusal.OFFSET_METADATA_TOO_LARGE
    cluster.coordinators.replies[CommitOffsets] = CommitResult([None, refused])
    asked = request(partition(9), partition(0), partition(-1), partition(1))
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert errors(cluster.send(offset_commit, asked, 5)) == [
        (9, unknown),
        (0, ErrorCode.NONE),
        (-1, unknown),
        (1, ErrorCode.OFFSET_METADATA_TOO_LARGE),
    ]
    (sent,) = cluster.coordinators.requests
    assert [offset.partition for offset in sent.offsets] == [0, 1]


def test_a_refusal_of_the_whole_is_one_of_each_partition():
    cluster = FakeCluster()
    refused = CommitResult(refusal=GroupRefusal.REBALANCE_IN_PROGRESS)
    cluster.coordinators.replies[CommitOffsets] = refused
    response = cluster.send(offset_commit, request(partition(0), partition(1)), 8)
    assert errors(response) == [
        (0, ErrorCode.REBALANCE_IN_PROGRESS),
        (1, ErrorCode.REBALANCE_IN_PROGRESS),
    ]


def test_no_owner_is_queried_for_missing_topics():
    cluster = FakeCluster()
    response = cluster.send(offset_commit, request(partition(0), name="nowhere"), 8)
    assert errors(response) == [(0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]
    assert cluster.coordinators.requests == []


def test_topics_are_found_by_their_ids_since_version_10():
    cluster = FakeCluster()
    cluster.coordinators.replies[CommitOffsets] = CommitResult([None])
    asked = OffsetCommitRequest(
        group_id="g",
        topics=[
            OffsetCommitRequestTopic(topic_id=NO_SUCH_ID, partitions=[partition(0)]),
            OffsetCommitRequestTopic(topic_id=ORDERS.topic_id, partitions=[partition(1)]),
        ],
    )
    response = cluster.send(offset_commit, asked, 10)
    assert errors(response) == [(0, ErrorCode.UNKNOWN_TOPIC_ID), (1, ErrorCode.NONE)]
    assert cluster.coordinators.requests[0].offsets[0].topic == "orders"


def test_old_versions_say_how_long_an_offset_is_to_be_kept():
    cluster = FakeCluster()
    cluster.coordinators.replies[CommitOffsets] = CommitResult([None])
    asked_ms = [60_000, -1, 2**63 - 1, -(2**63), -(2**40)]
    for retention_ms in asked_ms:
        asked = request(partition(0), retention_time_ms=retention_ms)
        assert errors(cluster.send(offset_commit, asked, 2)) == [(0, ErrorCode.NONE)]
    assert [one.offsets[0].retention_ms for one in cluster.coordinators.requests] == asked_ms


def test_version_1_says_when_an_offset_was_committed():
    cluster = FakeCluster()
    cluster.coordinators.replies[CommitOffsets] = CommitResult([None])
    for timestamp in (1000, -1):
        cluster.send(offset_commit, request(partition(0, commit_timestamp=timestamp)), 1)
    (given,), (missing,) = [one.offsets for one in cluster.coordinators.requests]
    assert (given.committed_at_ms, given.retention_ms) == (1000, -1)
    assert (missing.committed_at_ms, missing.retention_ms) == (0, -1)


@pytest.mark.parametrize("version", range(OFFSET_COMMIT.version_min, OFFSET_COMMIT.version_max + 1))
@pytest.mark.parametrize("count", [1, 3, 17])
def test_a_full_success_is_encoded_like_the_codec_does(version, count):
    cluster = FakeCluster()
    cluster.coordinators.replies[CommitOffsets] = CommitResult([None] * count)
    # The same partitions again and again: one that was named before must not be remembered wrong.
    for index in (0, 2, 0):
        topic = OffsetCommitRequestTopic(
            name="orders" if version < 10 else "",
            topic_id=ORDERS.topic_id if version >= 10 else bytes(16),
            partitions=[partition(index)] * count,
        )
        asked = OffsetCommitRequest(group_id="g", topics=[topic])
        response = cluster.send(offset_commit, asked, version)
        assert errors(response) == [(index, ErrorCode.NONE)] * count
        (answered,) = response.topics
        assert (answered.name, answered.topic_id) == (topic.name, topic.topic_id)


@pytest.mark.parametrize(
    ("version", "error"),
    [(9, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION), (10, ErrorCode.UNKNOWN_TOPIC_ID)],
)
def test_a_topic_that_was_made_again_meanwhile_is_unknown_under_its_id(version, error):
    cluster = FakeCluster()
    refused = GroupRefusal.UNKNOWN_TOPIC_OR_PARTITION
    cluster.coordinators.replies[CommitOffsets] = CommitResult([refused])
    topic = OffsetCommitRequestTopic(
        name="orders", topic_id=ORDERS.topic_id, partitions=[partition(0)]
    )
    asked = OffsetCommitRequest(group_id="g", topics=[topic])
    assert errors(cluster.send(offset_commit, asked, version)) == [(0, error)]
