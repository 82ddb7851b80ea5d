import pytest

from common.ports.metadata import ClusterChange, Endpoint, Gateway
from common.ports.partitions import LogDescription, LogId, Refusal
from common.ports.unavailable import BackendUnavailable
from gateway_svc.cluster.rack_routing import preferred_replica
from gateway_svc.handlers.fetch.handler import fetch
from gateway_svc.handlers.metadata import metadata
from gateway_svc.wire.apis.metadata import MetadataRequest, MetadataRequestTopic
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import ORDERS, FakeCluster
from tests.unit.gateway_svc.handlers.fetch.test_handler import (
    errors,
    fetch_partition,
    fetch_request,
    only_partition,
    orders,
)

# This gateway, 1, is in rack-a, and 2 is in rack-b.


@pytest.mark.parametrize("rack", ["", "rack-a", "rack-z"])
def test_gateway_serves_racks_without_another_gateway(rack):
    cluster = FakeCluster()
    assert preferred_replica(rack, cluster.context(11)) is None
    response = cluster.send(fetch, fetch_request(orders(fetch_partition(0)), rack_id=rack), 11)
    assert only_partition(response).records == [b"batch"]
    assert only_partition(response).preferred_read_replica == -1


def test_gateway_returns_the_preferred_replica_without_fetching():
    cluster = FakeCluster()
    response = cluster.send(
        fetch, fetch_request(orders(fetch_partition(1), fetch_partition(2)), rack_id="rack-b"), 11
    )
    assert not cluster.partitions.fetches
    for partition in response.responses[0].partitions:
        assert (partition.error_code, partition.preferred_read_replica) == (ErrorCode.NONE, 2)
        assert (
            partition.log_start_offset,
            partition.high_watermark,
            partition.last_stable_offset,
        ) == (3, 10, 10)
        assert not partition.records


def test_gateway_without_the_listener_is_not_preferred():
    cluster = FakeCluster()
    gateway = Gateway(3, (Endpoint("EXTERNAL", "kafka3.example", 9094),), "rack-c")
    cluster.view.apply(ClusterChange(2, "the-cluster", gateways=(gateway,)))
    assert preferred_replica("rack-c", cluster.context(11)) is None
    assert preferred_replica("rack-c", cluster.context(11, listener="EXTERNAL")) is not None


def test_removed_gateway_is_not_preferred():
    cluster = FakeCluster()
    cluster.view.apply(ClusterChange(2, "the-cluster", removed_gateways=(2,)))
    assert preferred_replica("rack-b", cluster.context(11)) is None


def test_preferred_replica_is_a_replica_in_metadata():
    # Java's consumer reads from no other (Cluster.nodeIfOnline).
    cluster = FakeCluster()
    request = MetadataRequest(topics=[MetadataRequestTopic(name="orders")])
    (topic,) = cluster.send(metadata, request, 13).topics
    response = cluster.send(
        fetch,
        fetch_request(
            orders(fetch_partition(0), fetch_partition(1), fetch_partition(2)), rack_id="rack-b"
        ),
        12,
    )
    for partition in response.responses[0].partitions:
        assert (
            partition.preferred_read_replica
            in topic.partitions[partition.partition_index].replica_nodes
        )


def test_unknown_partitions_have_their_error_without_a_preferred_replica():
    cluster = FakeCluster()
    response = cluster.send(
        fetch, fetch_request(orders(fetch_partition(9), fetch_partition(0)), rack_id="rack-b"), 11
    )
    assert errors(response) == [
        ("orders", 9, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("orders", 0, ErrorCode.NONE),
    ]
    cluster.send(fetch, fetch_request(orders(fetch_partition(9)), rack_id="rack-b"), 11)
    # An empty list would request every log.
    assert cluster.partitions.described == [LogId(ORDERS.topic_id, 0)]


def test_refusal_of_the_owner_becomes_its_error():
    cluster = FakeCluster()
    log = LogId(ORDERS.topic_id, 0)
    cluster.partitions.descriptions = [LogDescription(log, refusal=Refusal.NOT_OWNER)]
    response = cluster.send(fetch, fetch_request(orders(fetch_partition(0)), rack_id="rack-b"), 11)
    assert errors(response) == [("orders", 0, ErrorCode.NOT_LEADER_OR_FOLLOWER)]


def test_unavailable_owner_is_a_retriable_error():
    cluster = FakeCluster()
    cluster.partitions.error = BackendUnavailable("unreachable")
    response = cluster.send(fetch, fetch_request(orders(fetch_partition(0)), rack_id="rack-b"), 11)
    assert errors(response) == [("orders", 0, ErrorCode.NOT_LEADER_OR_FOLLOWER)]
