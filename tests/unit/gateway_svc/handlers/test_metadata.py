import pytest

from common.ports.metadata import TopicRefusal, TopicResult
from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.metadata import metadata
from gateway_svc.wire.apis.metadata import (
    OPERATIONS_UNKNOWN,
    MetadataRequest,
    MetadataRequestTopic,
)
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ZERO_UUID
from tests.unit.gateway_svc.handlers.fake_cluster import NO_SUCH_ID, ORDERS, FakeCluster


def request_by_name(*names: str, **fields: object) -> MetadataRequest:
    return MetadataRequest(topics=[MetadataRequestTopic(name=name) for name in names], **fields)


def request_by_id(*topic_ids: bytes) -> MetadataRequest:
    return MetadataRequest(
        topics=[MetadataRequestTopic(name=None, topic_id=topic_id) for topic_id in topic_ids]
    )


def errors(response):
    return [(topic.name, topic.error_code) for topic in response.topics]


@pytest.mark.parametrize(
    ("version", "topics", "expected"),
    [
        (0, [], ["orders", "payments"]),
        (1, None, ["orders", "payments"]),
        (1, [], []),
        (13, None, ["orders", "payments"]),
        (13, [], []),
    ],
)
def test_metadata_returns_all_topics_for_an_empty_list_of_version_0(version, topics, expected):
    cluster = FakeCluster()
    response = cluster.send(metadata, MetadataRequest(topics=topics), version)
    assert [topic.name for topic in response.topics] == expected
    assert not cluster.metadata.created


def test_metadata_lists_brokers_with_addresses_of_the_listener():
    cluster = FakeCluster()
    internal = cluster.send(metadata, request_by_name(), 13)
    assert [
        (broker.node_id, broker.host, broker.port, broker.rack) for broker in internal.brokers
    ] == [
        (1, "gateway-1", 9092, "rack-a"),
        (2, "gateway-2", 9092, "rack-b"),
    ]
    external = cluster.send(metadata, request_by_name(), 13, listener="EXTERNAL")
    assert [(broker.node_id, broker.host, broker.port) for broker in external.brokers] == [
        # No advertised address: the one to which the client connected.
        (1, "10.0.0.1", 9094),
        (2, "kafka.example", 9094),
        (3, "kafka3.example", 9094),
    ]


def test_metadata_spreads_leaders_over_the_listed_brokers():
    cluster = FakeCluster()
    for listener in ("INTERNAL", "EXTERNAL"):
        response = cluster.send(metadata, request_by_name("orders"), 13, listener=listener)
        brokers = {broker.node_id for broker in response.brokers}
        leaders = [partition.leader_id for partition in response.topics[0].partitions]
        assert set(leaders) == brokers
        assert response.controller_id in brokers


def test_metadata_returns_topic_id_epochs_and_replicas():
    response = FakeCluster().send(metadata, request_by_name("orders"), 13)
    (topic,) = response.topics
    assert (topic.name, topic.topic_id, topic.is_internal) == ("orders", ORDERS.topic_id, False)
    for index, partition in enumerate(topic.partitions):
        assert (partition.error_code, partition.partition_index, partition.leader_epoch) == (
            0,
            index,
            7,
        )
        # One replica in each rack, so that clients can fetch from their own; the leader first.
        assert list(partition.replica_nodes) == list(partition.isr_nodes)
        assert partition.replica_nodes[0] == partition.leader_id
        assert sorted(partition.replica_nodes) == [1, 2]
        assert list(partition.offline_replicas) == []
    assert response.cluster_id == "the-cluster"


def test_metadata_returns_each_topic_once_in_request_order():
    response = FakeCluster().send(metadata, request_by_name("payments", "orders", "payments"), 9)
    assert [topic.name for topic in response.topics] == ["payments", "orders"]


def test_metadata_creates_a_missing_topic_and_returns_it():
    cluster = FakeCluster()
    response = cluster.send(metadata, request_by_name("fresh", "orders"), 13)
    assert errors(response) == [("fresh", ErrorCode.NONE), ("orders", ErrorCode.NONE)]
    assert len(response.topics[0].partitions) == 1
    assert [topic.name for topic in cluster.metadata.created] == ["fresh"]


@pytest.mark.parametrize(
    ("settings", "fields"),
    [({"auto_create_topics_enable": False}, {}), ({}, {"allow_auto_topic_creation": False})],
    ids=["by setting", "by request"],
)
def test_metadata_creates_no_topic_if_not_allowed(settings, fields):
    cluster = FakeCluster(**settings)
    response = cluster.send(metadata, request_by_name("fresh", **fields), 9)
    assert errors(response) == [("fresh", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]
    assert not cluster.metadata.created


@pytest.mark.parametrize("is_wanted", [True, False])
def test_metadata_rejects_an_invalid_topic_name(is_wanted):
    cluster = FakeCluster()
    response = cluster.send(
        metadata, request_by_name("no/slash", allow_auto_topic_creation=is_wanted), 9
    )
    assert errors(response) == [("no/slash", ErrorCode.INVALID_TOPIC_EXCEPTION)]
    assert not cluster.metadata.created


def test_metadata_creates_the_offsets_topic():
    response = FakeCluster().send(metadata, request_by_name("__consumer_offsets"), 9)
    assert errors(response) == [("__consumer_offsets", ErrorCode.NONE)]


def test_metadata_does_not_create_the_transactions_topic():
    response = FakeCluster().send(metadata, request_by_name("__transaction_state"), 9)
    assert errors(response) == [("__transaction_state", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]


def test_metadata_returns_leader_not_available_until_the_topic_exists():
    cluster = FakeCluster()
    cluster.metadata.results = [TopicResult("fresh", refusal=TopicRefusal.TIMED_OUT)]
    assert errors(cluster.send(metadata, request_by_name("fresh"), 9)) == [
        ("fresh", ErrorCode.LEADER_NOT_AVAILABLE)
    ]
    cluster.metadata.error = BackendUnavailable("unreachable")
    assert errors(cluster.send(metadata, request_by_name("fresh", "orders"), 9)) == [
        ("fresh", ErrorCode.LEADER_NOT_AVAILABLE),
        ("orders", ErrorCode.NONE),
    ]


def test_metadata_returns_invalid_topic_exception_for_a_refused_name():
    cluster = FakeCluster()
    cluster.metadata.results = [TopicResult("a_b", refusal=TopicRefusal.INVALID_TOPIC_NAME)]
    assert errors(cluster.send(metadata, request_by_name("a_b"), 9)) == [
        ("a_b", ErrorCode.INVALID_TOPIC_EXCEPTION)
    ]


def test_metadata_resolves_topic_ids_since_version_12():
    cluster = FakeCluster()
    response = cluster.send(metadata, request_by_id(ORDERS.topic_id, NO_SUCH_ID), 12)
    assert [(topic.name, topic.topic_id, topic.error_code) for topic in response.topics] == [
        ("orders", ORDERS.topic_id, ErrorCode.NONE),
        (None, NO_SUCH_ID, ErrorCode.UNKNOWN_TOPIC_ID),
    ]
    assert not cluster.metadata.created


@pytest.mark.parametrize("version", [10, 11])
@pytest.mark.parametrize(
    "by_id", [request_by_id(ORDERS.topic_id), request_by_id(ZERO_UUID)], ids=["id", "none"]
)
def test_metadata_rejects_topic_ids_in_versions_10_and_11(version, by_id):
    response = FakeCluster().send(metadata, by_id, version)
    assert [topic.error_code for topic in response.topics] == [ErrorCode.INVALID_REQUEST]


def test_metadata_returns_operations_only_on_request():
    cluster = FakeCluster()
    without_operations = cluster.send(metadata, request_by_name("orders"), 8)
    assert without_operations.cluster_authorized_operations == OPERATIONS_UNKNOWN
    assert without_operations.topics[0].topic_authorized_operations == OPERATIONS_UNKNOWN
    with_operations = cluster.send(
        metadata,
        request_by_name(
            "orders",
            include_cluster_authorized_operations=True,
            include_topic_authorized_operations=True,
        ),
        8,
    )
    assert with_operations.cluster_authorized_operations > 0
    assert with_operations.topics[0].topic_authorized_operations > 0
