from common.ports.consumer_groups import (
    DescribeConsumerGroup,
    DescribedConsumerGroup,
    DescribedConsumerMember,
    OwnedPartitions,
)
from common.ports.group_errors import GroupClient, GroupRefusal
from gateway_svc.handlers.consumer_group_describe import consumer_group_describe
from gateway_svc.wire.apis.consumer_group_describe import ConsumerGroupDescribeRequest
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import ORDERS, FakeCluster

MEMBER = DescribedConsumerMember(
    "m",
    3,
    GroupClient("c", "/h"),
    "i",
    "r",
    ["orders"],
    "x",
    [OwnedPartitions(ORDERS.topic_id, [0]), OwnedPartitions(b"?" * 16, [0])],
    [OwnedPartitions(ORDERS.topic_id, [0, 1])],
)


def describe(*replies, **fields):
    cluster = FakeCluster()
    cluster.coordinators.replies[DescribeConsumerGroup] = list(replies)
    request = ConsumerGroupDescribeRequest(
        group_ids=[reply.group_id for reply in replies], **fields
    )
    return cluster.send(consumer_group_describe, request, 1).groups


def test_consumer_group_describe_returns_a_group_with_its_members():
    (group,) = describe(DescribedConsumerGroup("g", "Stable", 5, 4, "uniform", [MEMBER]))
    assert (group.group_state, group.group_epoch, group.assignment_epoch) == ("Stable", 5, 4)
    assert (group.assignor_name, group.authorized_operations) == ("uniform", -(2**31))
    (member,) = group.members
    assert (member.member_id, member.member_epoch, member.member_type) == ("m", 3, 1)
    assert (member.instance_id, member.rack_id) == ("i", "r")
    assert (member.client_id, member.client_host) == ("c", "/h")
    assert (member.subscribed_topic_names, member.subscribed_topic_regex) == (["orders"], "x")
    assert [owned.partitions for owned in member.target_assignment.topic_partitions] == [[0, 1]]


def test_consumer_group_describe_names_topics_and_omits_deleted_ones():
    (group,) = describe(DescribedConsumerGroup("g", members=[MEMBER]))
    (owned,) = group.members[0].assignment.topic_partitions
    assert (owned.topic_name, owned.topic_id, owned.partitions) == ("orders", ORDERS.topic_id, [0])


def test_consumer_group_describe_returns_an_error_for_each_group():
    not_found = DescribedConsumerGroup("h", refusal=GroupRefusal.GROUP_ID_NOT_FOUND, message="no h")
    found, missing = describe(
        DescribedConsumerGroup("g", "Empty"), not_found, include_authorized_operations=True
    )
    assert found.error_code is ErrorCode.NONE
    assert found.authorized_operations > 0
    assert (missing.error_code, missing.error_message) == (ErrorCode.GROUP_ID_NOT_FOUND, "no h")
