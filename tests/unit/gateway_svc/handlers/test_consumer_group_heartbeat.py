import pytest

from common.ports.consumer_groups import ConsumerHeartbeat, ConsumerHeartbeatTaken, OwnedPartitions
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


def ask(taken=None, version=1, **fields):
    cluster = FakeCluster()
    if taken is not None:
        cluster.coordinators.replies[ConsumerHeartbeat] = taken
    says = {"group_id": "g", "member_id": "m", "member_epoch": 3} | fields
    request = ConsumerGroupHeartbeatRequest(**says)
    return cluster, cluster.send(consumer_group_heartbeat, request, version)


def test_null_fields_stay_null():
    cluster, response = ask()
    (asked,) = cluster.coordinators.requests
    assert asked == ConsumerHeartbeat("g", "m", 3, client=asked.client)
    assert isinstance(asked.client, GroupClient)
    assert response.assignment is None


def test_all_is_handed_on():
    cluster, _ = ask(
        instance_id="i",
        rack_id="r",
        rebalance_timeout_ms=5,
        subscribed_topic_names=["a"],
        subscribed_topic_regex="b",
        server_assignor="range",
        topic_partitions=[TopicPartitions(topic_id=ID, partitions=[1])],
    )
    (asked,) = cluster.coordinators.requests
    owned = [OwnedPartitions(ID, [1])]
    assert asked == ConsumerHeartbeat(
        "g", "m", 3, "i", "r", 5, ["a"], "b", "range", owned, asked.client
    )


def test_the_assignment_is_answered():
    taken = ConsumerHeartbeatTaken("m", 4, 5_000, [OwnedPartitions(ID, [0, 2])])
    _, response = ask(taken)
    assert (response.member_id, response.member_epoch) == ("m", 4)
    assert response.heartbeat_interval_ms == 5_000
    (given,) = response.assignment.topic_partitions
    assert (given.topic_id, given.partitions) == (ID, [0, 2])


def test_nothing_assigned_is_not_the_same_as_before():
    assert ask(ConsumerHeartbeatTaken("m", 4, 5_000, []))[1].assignment is not None


def test_a_refusal_says_why():
    refusal = GroupRefusal.FENCED_MEMBER_EPOCH
    _, response = ask(ConsumerHeartbeatTaken(refusal=refusal, message="why"))
    assert response.error_code is ErrorCode.FENCED_MEMBER_EPOCH
    assert response.error_message == "why"


@pytest.mark.parametrize(
    ("version", "fields", "is_asked"),
    [
        (0, {"member_id": "", "member_epoch": 0}, True),
        (0, {"member_id": ""}, False),
        (1, {"member_id": "", "member_epoch": 0}, False),
        (0, {"group_id": ""}, False),
    ],
)
def test_ids_are_needed_save_for_a_first_heartbeat_of_version_0(version, fields, is_asked):
    cluster, response = ask(version=version, **fields)
    assert bool(cluster.coordinators.requests) is is_asked
    assert (response.error_code is ErrorCode.INVALID_REQUEST) is not is_asked


def test_a_coordinator_that_does_not_answer_is_not_available():
    cluster = FakeCluster()
    cluster.coordinators.error = BackendUnavailable("gone")
    request = ConsumerGroupHeartbeatRequest(group_id="g", member_id="m", member_epoch=3)
    response = cluster.send(consumer_group_heartbeat, request, 1)
    assert response.error_code is ErrorCode.COORDINATOR_NOT_AVAILABLE
