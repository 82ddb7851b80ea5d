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
LOADING = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS


def cluster_with_offsets(reply):
    cluster = FakeCluster()
    cluster.coordinators.replies[FetchOffsets] = reply
    return cluster


def test_offset_fetch_returns_offsets_of_one_group():
    cluster = cluster_with_offsets(FOUND)
    topic = OffsetFetchRequestTopic(name="orders", partition_indexes=[0, 1])
    response = cluster.send(offset_fetch, OffsetFetchRequest(group_id="g", topics=[topic]), 5)
    (topic_response,) = response.topics
    assert [
        (
            partition.partition_index,
            partition.committed_offset,
            partition.committed_leader_epoch,
            partition.metadata,
        )
        for partition in topic_response.partitions
    ] == [(0, 9, 4, "why"), (1, -1, -1, "")]
    assert cluster.coordinators.requests == [
        FetchOffsets("g", [TopicPartitions("orders", [0, 1], ORDERS.topic_id)])
    ]


def test_offset_fetch_without_topics_requests_all():
    cluster = cluster_with_offsets(FOUND)
    cluster.send(
        offset_fetch, OffsetFetchRequest(group_id="g", topics=None, require_stable=True), 7
    )
    assert cluster.coordinators.requests == [FetchOffsets("g", None, require_stable=True)]


@pytest.mark.parametrize("version", [1, 2])
def test_offset_fetch_returns_a_refusal_in_the_request_and_its_partitions(version):
    cluster = cluster_with_offsets(
        FetchedOffsets(refusal=GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS)
    )
    topic = OffsetFetchRequestTopic(name="orders", partition_indexes=[0])
    response = cluster.send(offset_fetch, OffsetFetchRequest(group_id="g", topics=[topic]), version)
    assert response.error_code is LOADING
    assert response.topics[0].partitions[0].error_code is LOADING


def test_offset_fetch_returns_offsets_of_several_groups():
    cluster = cluster_with_offsets(FOUND)
    groups = [OffsetFetchRequestGroup(group_id=name, topics=None) for name in ("g", "h")]
    response = cluster.send(offset_fetch, OffsetFetchRequest(groups=groups), 8)
    assert [group.group_id for group in response.groups] == ["g", "h"]
    assert response.groups[0].topics[0].name == "orders"
    assert len(cluster.coordinators.requests) == 2


def test_offset_fetch_returns_a_refusal_of_one_group_in_that_group():
    cluster = cluster_with_offsets(FetchedOffsets(refusal=GroupRefusal.STALE_MEMBER_EPOCH))
    group = OffsetFetchRequestGroup(group_id="g", topics=None, member_id="m", member_epoch=3)
    (group_response,) = cluster.send(offset_fetch, OffsetFetchRequest(groups=[group]), 9).groups
    assert group_response.error_code is ErrorCode.STALE_MEMBER_EPOCH
    assert cluster.coordinators.requests == [FetchOffsets("g", None, "m", 3, False)]


def test_offset_fetch_resolves_topic_ids_since_version_10():
    cluster = cluster_with_offsets(FOUND)
    topics = [
        OffsetFetchRequestTopics(topic_id=NO_SUCH_ID, partition_indexes=[5]),
        OffsetFetchRequestTopics(topic_id=ORDERS.topic_id, partition_indexes=[0, 1]),
    ]
    group = OffsetFetchRequestGroup(group_id="g", topics=topics)
    (group_response,) = cluster.send(offset_fetch, OffsetFetchRequest(groups=[group]), 10).groups
    assert [(topic.topic_id, len(topic.partitions)) for topic in group_response.topics] == [
        (ORDERS.topic_id, 2),
        (NO_SUCH_ID, 1),
    ]
    assert group_response.topics[1].partitions[0].error_code is ErrorCode.UNKNOWN_TOPIC_ID
    assert cluster.coordinators.requests[0].topics == [
        TopicPartitions("orders", [0, 1], ORDERS.topic_id)
    ]


def test_offset_fetch_omits_deleted_topics_since_version_10():
    cluster = cluster_with_offsets(FetchedOffsets([CommittedOffset("deleted", 0, 9)]))
    group = OffsetFetchRequestGroup(group_id="g", topics=None)
    (by_id,) = cluster.send(offset_fetch, OffsetFetchRequest(groups=[group]), 10).groups
    (by_name,) = cluster.send(offset_fetch, OffsetFetchRequest(groups=[group]), 9).groups
    assert (len(by_id.topics), by_name.topics[0].name) == (0, "deleted")


@pytest.mark.parametrize(
    "refusal", [None, GroupRefusal.COORDINATOR_NOT_AVAILABLE, GroupRefusal.NOT_COORDINATOR]
)
@pytest.mark.parametrize("version", [1, 7, 8, 10])
def test_offset_fetch_returns_the_error_that_clients_retry_if_its_coordinator_is_unavailable(
    version, refusal
):
    """librdkafka never starts to read a partition after COORDINATOR_NOT_AVAILABLE."""
    cluster = cluster_with_offsets(FetchedOffsets(refusal=refusal))
    if refusal is None:
        cluster.coordinators.error = BackendUnavailable("unreachable")
    one = OffsetFetchRequestTopic(name="orders", partition_indexes=[0])
    several = [OffsetFetchRequestGroup(group_id="g", topics=None)]
    request = OffsetFetchRequest(group_id="g", topics=[one], groups=several)
    response = cluster.send(offset_fetch, request, version)
    if version < 8:
        assert response.topics[0].partitions[0].error_code is LOADING
    assert (response.groups[0] if version >= 8 else response).error_code is LOADING


def test_offset_fetch_fails_only_for_groups_of_an_unavailable_coordinator():
    cluster = FakeCluster()

    async def reply_to(request):
        if request.group_id == "failed":
            raise BackendUnavailable("unreachable")
        return FOUND

    cluster.coordinators.reply_to = reply_to
    groups = [OffsetFetchRequestGroup(group_id=name, topics=None) for name in ("failed", "found")]
    failed, found = cluster.send(offset_fetch, OffsetFetchRequest(groups=groups), 8).groups
    assert (failed.group_id, failed.error_code) == ("failed", LOADING)
    assert (found.error_code, len(found.topics)) == (ErrorCode.NONE, 1)


@pytest.mark.parametrize("version", [7, 9])
def test_offset_fetch_returns_topics_without_partitions(version):
    cluster = cluster_with_offsets(FOUND)
    requested = [("orders", [0]), ("empty", []), ("orders", [1])]
    topic_type = OffsetFetchRequestTopics if version >= 8 else OffsetFetchRequestTopic
    topics = [topic_type(name=name, partition_indexes=indexes) for name, indexes in requested]
    if version >= 8:
        request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=topics)])
        topic_responses = cluster.send(offset_fetch, request, version).groups[0].topics
    else:
        request = OffsetFetchRequest(group_id="g", topics=topics)
        topic_responses = cluster.send(offset_fetch, request, version).topics
    returned = [
        (topic.name, [partition.partition_index for partition in topic.partitions])
        for topic in topic_responses
    ]
    assert returned == requested


def test_offset_fetch_returns_all_offsets_of_a_group_once_and_repeats_listed_topics():
    cluster = FakeCluster()
    only_orders = [OffsetFetchRequestTopics(name="orders", partition_indexes=[0])]
    groups = [
        OffsetFetchRequestGroup(group_id=group_id, topics=topics)
        for group_id, topics in (
            ("a", None),
            ("b", None),
            ("a", only_orders),
            ("a", None),
            ("a", only_orders),
        )
    ]
    response = cluster.send(offset_fetch, OffsetFetchRequest(groups=groups * 2), 8)
    assert [group.group_id for group in response.groups] == ["a", "b", "a", "a", "a", "a"]
