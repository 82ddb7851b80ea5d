import pytest

from common.ports.consumer_groups import ConsumerHeartbeat, ConsumerHeartbeatReply, OwnedPartitions
from common.ports.group_errors import GroupRefusal
from common.ports.unavailable import BackendUnavailable
from gateway_svc.dispatch.coordinator_call import GroupClient
from gateway_svc.handlers.consumer_group_heartbeat import consumer_group_heartbeat
from gateway_svc.wire.apis.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    TopicPartitions,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster

ID = b"t" * 16


def heartbeat(reply=None, version=1, **fields):
    cluster = FakeCluster()
    if reply is not None:
        cluster.coordinators.replies[ConsumerHeartbeat] = reply
    fields = {"group_id": "g", "member_id": "m", "member_epoch": 3} | fields
    request = ConsumerGroupHeartbeatRequest(**fields)
    return cluster, cluster.send(consumer_group_heartbeat, request, version)


def test_consumer_heartbeat_keeps_null_fields():
    cluster, response = heartbeat()
    (forwarded,) = cluster.coordinators.requests
    assert forwarded == ConsumerHeartbeat("g", "m", 3, client=forwarded.client)
    assert isinstance(forwarded.client, GroupClient)
    assert response.assignment is None


def test_consumer_heartbeat_forwards_all_fields():
    cluster, _ = heartbeat(
        instance_id="i",
        rack_id="r",
        rebalance_timeout_ms=5,
        subscribed_topic_names=["a"],
        subscribed_topic_regex="b",
        server_assignor="range",
        topic_partitions=[TopicPartitions(topic_id=ID, partitions=[1])],
    )
    (forwarded,) = cluster.coordinators.requests
    owned = [OwnedPartitions(ID, [1])]
    assert forwarded == ConsumerHeartbeat(
        "g", "m", 3, "i", "r", 5, ["a"], "b", "range", owned, forwarded.client
    )


def test_consumer_heartbeat_returns_the_assignment():
    reply = ConsumerHeartbeatReply("m", 4, 5_000, [OwnedPartitions(ID, [0, 2])])
    _, response = heartbeat(reply)
    assert (response.member_id, response.member_epoch) == ("m", 4)
    assert response.heartbeat_interval_ms == 5_000
    (owned,) = response.assignment.topic_partitions
    assert (owned.topic_id, owned.partitions) == (ID, [0, 2])


def test_consumer_heartbeat_returns_an_empty_assignment_as_empty():
    assert heartbeat(ConsumerHeartbeatReply("m", 4, 5_000, []))[1].assignment is not None


def test_consumer_heartbeat_returns_the_message_of_a_refusal():
    refusal = GroupRefusal.FENCED_MEMBER_EPOCH
    _, response = heartbeat(ConsumerHeartbeatReply(refusal=refusal, message="why"))
    assert response.error_code is ErrorCode.FENCED_MEMBER_EPOCH
    assert response.error_message == "why"


@pytest.mark.parametrize(
    ("version", "fields", "is_forwarded"),
    [
        (0, {"member_id": "", "member_epoch": 0}, True),
        (0, {"member_id": ""}, False),
        (1, {"member_id": "", "member_epoch": 0}, False),
        (0, {"group_id": ""}, False),
    ],
)
def test_consumer_heartbeat_requires_ids_except_the_first_of_version_0(
    version, fields, is_forwarded
):
    cluster, response = heartbeat(version=version, **fields)
    assert bool(cluster.coordinators.requests) is is_forwarded
    assert (response.error_code is ErrorCode.INVALID_REQUEST) is not is_forwarded


def test_consumer_heartbeat_gets_not_available_from_an_unavailable_coordinator():
    cluster = FakeCluster()
    cluster.coordinators.error = BackendUnavailable("unreachable")
    request = ConsumerGroupHeartbeatRequest(group_id="g", member_id="m", member_epoch=3)
    response = cluster.send(consumer_group_heartbeat, request, 1)
    assert response.error_code is ErrorCode.COORDINATOR_NOT_AVAILABLE
