import pytest

from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import (
    CommittedOffset,
    FetchedOffsets,
    FetchOffsets,
    TopicPartitions,
)
from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.offset_fetch import offset_fetch
from gateway_svc.wire.apis.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import NO_SUCH_ID, ORDERS, FakeCluster

FOUND = FetchedOffsets([CommittedOffset("orders", 0, 9, 4, "why"), CommittedOffset("orders", 1)])


def cluster_with_offsets(answer):
    cluster = FakeCluster()
    cluster.coordinators.replies[FetchOffsets] = answer
    return cluster


def test_offsets_of_one_group():
    cluster = cluster_with_offsets(FOUND)
    topic = OffsetFetchRequestTopic(name="orders", partition_indexes=[0, 1])
    response = cluster.send(offset_fetch, OffsetFetchRequest(group_id="g", topics=[topic]), 5)
    (found,) = response.topics
    assert [
        (
            partition.partition_index,
            partition.committed_offset,
            partition.committed_leader_epoch,
            partition.metadata,
        )
        for partition in found.partitions
    ] == [(0, 9, 4, "why"), (1, -1, -1, "")]
    assert cluster.coordinators.requests == [
        FetchOffsets("g", [TopicPartitions("orders", [0, 1], ORDERS.topic_id)])
    ]


def test_no_topics_is_all_of_them():
    cluster = cluster_with_offsets(FOUND)
    cluster.send(
        offset_fetch, OffsetFetchRequest(group_id="g", topics=None, require_stable=True), 7
    )
    assert cluster.coordinators.requests == [FetchOffsets("g", None, require_stable=True)]


@pytest.mark.parametrize("version", [1, 2])
def test_a_refusal_is_in_the_versions_that_have_a_field_for_it(version):
    cluster = cluster_with_offsets(
        FetchedOffsets(refusal=GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS)
    )
    topic = OffsetFetchRequestTopic(name="orders", partition_indexes=[0])
    response = cluster.send(offset_fetch, OffsetFetchRequest(group_id="g", topics=[topic]), version)
    loading = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    assert response.error_code is loading
    assert response.topics[0].partitions[0].error_code is loading


def test_offsets_of_several_groups():
    cluster = cluster_with_offsets(FOUND)
    groups = [OffsetFetchRequestGroup(group_id=name, topics=None) for name in ("g", "h")]
    response = cluster.send(offset_fetch, OffsetFetchRequest(groups=groups), 8)
    assert [group.group_id for group in response.groups] == ["g", "h"]
    assert response.groups[0].topics[0].name == "orders"
    assert len(cluster.coordinators.requests) == 2


def test_one_group_is_refused_and_the_others_are_not():
    cluster = cluster_with_offsets(FetchedOffsets(refusal=GroupRefusal.STALE_MEMBER_EPOCH))
    group = OffsetFetchRequestGroup(group_id="g", topics=None, member_id="m", member_epoch=3)
    (one,) = cluster.send(offset_fetch, OffsetFetchRequest(groups=[group]), 9).groups
    assert one.error_code is ErrorCode.STALE_MEMBER_EPOCH
    assert cluster.coordinators.requests == [FetchOffsets("g", None, "m", 3, False)]


def test_topics_are_named_by_their_ids_since_version_10():
    cluster = cluster_with_offsets(FOUND)
    topics = [
        OffsetFetchRequestTopics(topic_id=NO_SUCH_ID, partition_indexes=[5]),
        OffsetFetchRequestTopics(topic_id=ORDERS.topic_id, partition_indexes=[0, 1]),
    ]
    group = OffsetFetchRequestGroup(group_id="g", topics=topics)
    (one,) = cluster.send(offset_fetch, OffsetFetchRequest(groups=[group]), 10).groups
    assert [(topic.topic_id, len(topic.partitions)) for topic in one.topics] == [
        (ORDERS.topic_id, 2),
        (NO_SUCH_ID, 1),
    ]
    assert one.topics[1].partitions[0].error_code is ErrorCode.UNKNOWN_TOPIC_ID
    assert cluster.coordinators.requests[0].topics == [
        TopicPartitions("orders", [0, 1], ORDERS.topic_id)
    ]


def test_an_offset_of_a_deleted_topic_is_left_out_by_versions_with_ids():
    cluster = cluster_with_offsets(FetchedOffsets([CommittedOffset("gone", 0, 9)]))
    group = OffsetFetchRequestGroup(group_id="g", topics=None)
    (by_id,) = cluster.send(offset_fetch, OffsetFetchRequest(groups=[group]), 10).groups
    (by_name,) = cluster.send(offset_fetch, OffsetFetchRequest(groups=[group]), 9).groups
    assert (len(by_id.topics), by_name.topics[0].name) == (0, "gone")


def test_a_coordinator_that_does_not_answer_is_the_trouble_of_its_own_groups():
    cluster = FakeCluster()

    async def answer(request):
        if request.group_id == "lost":
            raise BackendUnavailable("gone")
        return FOUND

    cluster.coordinators.reply_to = answer
    groups = [OffsetFetchRequestGroup(group_id=name, topics=None) for name in ("lost", "kept")]
    lost, kept = cluster.send(offset_fetch, OffsetFetchRequest(groups=groups), 8).groups
    assert (lost.group_id, lost.error_code) == ("lost", ErrorCode.COORDINATOR_NOT_AVAILABLE)
    assert (kept.error_code, len(kept.topics)) == (ErrorCode.NONE, 1)


@pytest.mark.parametrize("version", [7, 9])
def test_topics_without_partitions_are_returned_too(version):
    cluster = cluster_with_offsets(FOUND)
    asked = [("orders", [0]), ("empty", []), ("orders", [1])]
    topic = OffsetFetchRequestTopics if version >= 8 else OffsetFetchRequestTopic
    topics = [topic(name=name, partition_indexes=indexes) for name, indexes in asked]
    if version >= 8:
        request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=topics)])
        found = cluster.send(offset_fetch, request, version).groups[0].topics
    else:
        request = OffsetFetchRequest(group_id="g", topics=topics)
        found = cluster.send(offset_fetch, request, version).topics
    answered = [
        (one.name, [partition.partition_index for partition in one.partitions]) for one in found
    ]
    assert answered == asked


def test_all_offsets_of_a_group_are_returned_once_and_topics_as_often_as_requested():
    cluster = FakeCluster()
    some = [OffsetFetchRequestTopics(name="orders", partition_indexes=[0])]
    groups = [
        OffsetFetchRequestGroup(group_id=group_id, topics=topics)
        for group_id, topics in (("a", None), ("b", None), ("a", some), ("a", None), ("a", some))
    ]
    response = cluster.send(offset_fetch, OffsetFetchRequest(groups=groups * 2), 8)
    assert [group.group_id for group in response.groups] == ["a", "b", "a", "a", "a", "a"]
