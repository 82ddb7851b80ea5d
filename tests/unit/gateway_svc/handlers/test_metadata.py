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


def request(*names: str, **fields: object) -> MetadataRequest:
    return MetadataRequest(topics=[MetadataRequestTopic(name=name) for name in names], **fields)


def by_id(*topic_ids: bytes) -> MetadataRequest:
    return MetadataRequest(
        topics=[MetadataRequestTopic(name=None, topic_id=topic_id) for topic_id in topic_ids]
    )


def told(response):
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
def test_version_0_requests_all_topics_by_an_empty_list(version, topics, expected):
    cluster = FakeCluster()
    response = cluster.send(metadata, MetadataRequest(topics=topics), version)
    assert [topic.name for topic in response.topics] == expected
    assert not cluster.metadata.created


def test_brokers_are_those_that_the_listener_reaches_at_its_addresses():
    cluster = FakeCluster()
    internal = cluster.send(metadata, request(), 13)
    assert [
        (broker.node_id, broker.host, broker.port, broker.rack) for broker in internal.brokers
    ] == [
        (1, "gateway-1", 9092, "rack-a"),
        (2, "gateway-2", 9092, "rack-b"),
    ]
    external = cluster.send(metadata, request(), 13, listener="EXTERNAL")
    assert [(broker.node_id, broker.host, broker.port) for broker in external.brokers] == [
        # Nothing is advertised for it: the address that the client has reached.
        (1, "10.0.0.1", 9094),
        (2, "kafka.example", 9094),
        (3, "kafka3.example", 9094),
    ]


def test_every_leader_is_a_listed_broker_and_the_load_is_spread():
    cluster = FakeCluster()
    for listener in ("INTERNAL", "EXTERNAL"):
        response = cluster.send(metadata, request("orders"), 13, listener=listener)
        brokers = {broker.node_id for broker in response.brokers}
        leaders = [partition.leader_id for partition in response.topics[0].partitions]
        assert set(leaders) == brokers
        assert response.controller_id in brokers


def test_a_topic_has_its_id_epochs_and_replicas():
    response = FakeCluster().send(metadata, request("orders"), 13)
    (topic,) = response.topics
    assert (topic.name, topic.topic_id, topic.is_internal) == ("orders", ORDERS.topic_id, False)
    for index, partition in enumerate(topic.partitions):
        assert (partition.error_code, partition.partition_index, partition.leader_epoch) == (
            0,
            index,
            7,
        )
        # One in each rack, from where that rack's clients read; the leader first.
        assert list(partition.replica_nodes) == list(partition.isr_nodes)
        assert partition.replica_nodes[0] == partition.leader_id
        assert sorted(partition.replica_nodes) == [1, 2]
        assert list(partition.offline_replicas) == []
    assert response.cluster_id == "the-cluster"


def test_each_topic_is_answered_once_in_the_order_of_asking():
    response = FakeCluster().send(metadata, request("payments", "orders", "payments"), 9)
    assert [topic.name for topic in response.topics] == ["payments", "orders"]


def test_a_missing_topic_is_created_and_can_be_used_at_once():
    cluster = FakeCluster()
    response = cluster.send(metadata, request("fresh", "orders"), 13)
    assert told(response) == [("fresh", ErrorCode.NONE), ("orders", ErrorCode.NONE)]
    assert len(response.topics[0].partitions) == 1
    assert [topic.name for topic in cluster.metadata.created] == ["fresh"]


@pytest.mark.parametrize(
    ("settings", "fields"),
    [({"auto_create_topics_enable": False}, {}), ({}, {"allow_auto_topic_creation": False})],
    ids=["by setting", "by request"],
)
def test_nothing_is_created_where_it_is_not_wished(settings, fields):
    cluster = FakeCluster(**settings)
    response = cluster.send(metadata, request("fresh", **fields), 9)
    assert told(response) == [("fresh", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]
    assert not cluster.metadata.created


@pytest.mark.parametrize("wish", [True, False])
def test_a_name_that_cannot_be_is_invalid_whether_or_not_it_would_be_created(wish):
    cluster = FakeCluster()
    response = cluster.send(metadata, request("no/slash", allow_auto_topic_creation=wish), 9)
    assert told(response) == [("no/slash", ErrorCode.INVALID_TOPIC_EXCEPTION)]
    assert not cluster.metadata.created


def test_the_topic_of_groups_is_there_for_tools_that_ask_before_the_first_group():
    response = FakeCluster().send(metadata, request("__consumer_offsets"), 9)
    assert told(response) == [("__consumer_offsets", ErrorCode.NONE)]


def test_the_topic_of_transactions_is_not_created_on_the_way():
    response = FakeCluster().send(metadata, request("__transaction_state"), 9)
    assert told(response) == [("__transaction_state", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]


def test_a_topic_that_does_not_exist_yet_is_a_retriable_error():
    cluster = FakeCluster()
    cluster.metadata.results = [TopicResult("fresh", refusal=TopicRefusal.TIMED_OUT)]
    assert told(cluster.send(metadata, request("fresh"), 9)) == [
        ("fresh", ErrorCode.LEADER_NOT_AVAILABLE)
    ]
    cluster.metadata.error = BackendUnavailable("gone")
    assert told(cluster.send(metadata, request("fresh", "orders"), 9)) == [
        ("fresh", ErrorCode.LEADER_NOT_AVAILABLE),
        ("orders", ErrorCode.NONE),
    ]


def test_an_invalid_topic_has_an_error_message():
    cluster = FakeCluster()
    cluster.metadata.results = [TopicResult("a_b", refusal=TopicRefusal.INVALID_TOPIC_NAME)]
    assert told(cluster.send(metadata, request("a_b"), 9)) == [
        ("a_b", ErrorCode.INVALID_TOPIC_EXCEPTION)
    ]


def test_topics_can_be_requested_by_id_from_version_12_on():
    cluster = FakeCluster()
    response = cluster.send(metadata, by_id(ORDERS.topic_id, NO_SUCH_ID), 12)
    assert [(topic.name, topic.topic_id, topic.error_code) for topic in response.topics] == [
        ("orders", ORDERS.topic_id, ErrorCode.NONE),
        (None, NO_SUCH_ID, ErrorCode.UNKNOWN_TOPIC_ID),
    ]
    assert not cluster.metadata.created


@pytest.mark.parametrize("version", [10, 11])
@pytest.mark.parametrize("asked", [by_id(ORDERS.topic_id), by_id(ZERO_UUID)], ids=["id", "none"])
def test_versions_10_and_11_cannot_request_by_id(version, asked):
    response = FakeCluster().send(metadata, asked, version)
    assert [topic.error_code for topic in response.topics] == [ErrorCode.INVALID_REQUEST]


def test_operations_are_returned_only_on_request():
    cluster = FakeCluster()
    silent = cluster.send(metadata, request("orders"), 8)
    assert silent.cluster_authorized_operations == OPERATIONS_UNKNOWN
    assert silent.topics[0].topic_authorized_operations == OPERATIONS_UNKNOWN
    open_ = cluster.send(
        metadata,
        request(
            "orders",
            include_cluster_authorized_operations=True,
            include_topic_authorized_operations=True,
        ),
        8,
    )
    assert open_.cluster_authorized_operations > 0
    assert open_.topics[0].topic_authorized_operations > 0
