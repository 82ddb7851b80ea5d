"""Groups in which the coordinator assigns (KIP-848)."""

import uuid

import pytest

from tests.differential.requests import commit, consumer_heartbeat, offset_fetch
from tests.differential.sides import versions_of
from tests.support.wire.group_apis import (
    CONSUMER_GROUP_DESCRIBE,
    CONSUMER_GROUP_HEARTBEAT,
    DELETE_GROUPS,
    DESCRIBE_GROUPS,
    LIST_GROUPS,
    OFFSET_COMMIT,
    OFFSET_FETCH,
)


def compare_descriptions(sides, *groups):
    """Compares how both describe and list the groups."""
    for version in versions_of(CONSUMER_GROUP_DESCRIBE):
        for is_requested in (True, False):
            request = {"group_ids": list(groups), "include_authorized_operations": is_requested}
            sides.compare(CONSUMER_GROUP_DESCRIBE, version, request)
    request = {"groups": list(groups), "include_authorized_operations": False}
    sides.compare(DESCRIBE_GROUPS, 6, request)
    sides.compare(LIST_GROUPS, 5, {"states_filter": [], "types_filter": []})


@pytest.mark.parametrize("version", versions_of(CONSUMER_GROUP_HEARTBEAT))
def test_member_joins_and_leaves_as_in_kafka(sides, version):
    group, topic = f"consumers-{version}", f"consumed-{version}"
    topic_id = sides.new_assignable_topic(topic, 3)
    own_id = str(uuid.UUID(int=version + 1))
    reading = {"subscribed_topic_names": [topic], "topic_partitions": []}

    def send_heartbeat(member_id, epoch, **fields):
        request = consumer_heartbeat(group, member_id, epoch, **fields)
        return sides.compare(CONSUMER_GROUP_HEARTBEAT, version, request)

    response = send_heartbeat(own_id, 0, **reading)
    member_id = response.map(lambda response: response.member_id)
    epoch = response.map(lambda response: response.member_epoch)
    compare_descriptions(sides, group, "unknown", "")
    owned = [{"topic_id": topic_id, "partitions": [0, 1, 2]}]
    send_heartbeat(member_id, epoch)
    send_heartbeat(member_id, epoch, topic_partitions=owned)
    compare_descriptions(sides, group)
    for fields in (
        {"member_id": member_id, "generation_id_or_member_epoch": epoch},
        {"member_id": member_id, "generation_id_or_member_epoch": 77},
        {"member_id": member_id, "generation_id_or_member_epoch": 0},
        {"member_id": "unknown", "generation_id_or_member_epoch": epoch},
        {},
    ):
        for commit_version in (8, 9):
            sides.compare(
                OFFSET_COMMIT, commit_version, commit(group, (topic, None, 0, 5, ""), **fields)
            )
    for fields in (
        {"member_id": member_id, "member_epoch": epoch},
        {"member_id": member_id, "member_epoch": 77},
        {"member_id": "unknown", "member_epoch": epoch},
        {"member_id": None, "member_epoch": -1},
    ):
        sides.compare(OFFSET_FETCH, 9, offset_fetch(group, all_topics=True, **fields))
    for request in (
        consumer_heartbeat(group, "unknown", epoch),
        consumer_heartbeat(group, member_id, 77),
        consumer_heartbeat(group, member_id, -7),
        consumer_heartbeat("unknown", member_id, epoch),
        consumer_heartbeat("", member_id, 0, **reading),
        consumer_heartbeat(group, "", epoch),
        consumer_heartbeat(group, member_id, epoch, rebalance_timeout=0),
        consumer_heartbeat(group, member_id, epoch, server_assignor="unknown"),
        consumer_heartbeat(group, "new", 0, **reading, rebalance_timeout=-1),
        consumer_heartbeat(group, "new", 0, topic_partitions=[]),
        consumer_heartbeat(group, "new", 0, subscribed_topic_names=[topic]),
        consumer_heartbeat(group, "new", 0, **reading, server_assignor="unknown"),
        consumer_heartbeat(group, "new", 0, **reading, subscribed_topic_regex="("),
        consumer_heartbeat(group, "new", 0, **reading, instance_id=""),
        consumer_heartbeat(group, "new", 0, **reading, rack_id=""),
        consumer_heartbeat(group, "new", -2),
    ):
        sides.compare(CONSUMER_GROUP_HEARTBEAT, version, request)
    sides.compare(DELETE_GROUPS, 2, {"groups_names": [group]})
    send_heartbeat(member_id, -1)
    send_heartbeat(member_id, -1)
    compare_descriptions(sides, group)
    sides.compare(DELETE_GROUPS, 2, {"groups_names": [group]})


@pytest.mark.parametrize("version", versions_of(CONSUMER_GROUP_HEARTBEAT))
@pytest.mark.parametrize("assignor", ["uniform", "range"])
def test_partitions_are_handed_over_as_in_kafka(sides, version, assignor):
    group, topic = f"handed-{assignor}-{version}", f"shared-{assignor}-{version}"
    topic_id = sides.new_assignable_topic(topic, 4)

    def send_heartbeat(member_id, epoch, *owned, **fields):
        ownership = {"topic_partitions": [{"topic_id": topic_id, "partitions": list(owned)}]}
        request = consumer_heartbeat(group, member_id, epoch, **{**ownership, **fields})
        response = sides.compare(CONSUMER_GROUP_HEARTBEAT, version, request)
        member_id = response.map(lambda response: response.member_id)
        return member_id, response.map(lambda response: response.member_epoch)

    new = {
        "subscribed_topic_names": [topic],
        "topic_partitions": [],
        "server_assignor": assignor,
    }
    first, epoch = send_heartbeat(f"a-{group}", 0, **new)
    send_heartbeat(first, epoch, 0, 1, 2, 3)
    second, other = send_heartbeat(f"b-{group}", 0, **new)
    compare_descriptions(sides, group)
    # The first member revokes the partitions that it lost, and the second member gets them.
    send_heartbeat(first, epoch, 0, 1, 2, 3)
    compare_descriptions(sides, group)
    _, epoch = send_heartbeat(first, epoch, 0, 1)
    _, other = send_heartbeat(second, other)
    send_heartbeat(second, other, 2, 3)
    compare_descriptions(sides, group)
    send_heartbeat(first, -1)
    _, other = send_heartbeat(second, other, 2, 3)
    send_heartbeat(second, other, 0, 1, 2, 3)
    compare_descriptions(sides, group)


@pytest.mark.parametrize("version", versions_of(CONSUMER_GROUP_HEARTBEAT))
def test_static_members_are_replaced_as_in_kafka(sides, version):
    group, topic = f"static-consumers-{version}", f"read-{version}"
    sides.new_assignable_topic(topic, 2)
    new = {"subscribed_topic_names": [topic], "topic_partitions": [], "instance_id": "one"}

    def send_heartbeat(member_id, epoch, **fields):
        request = consumer_heartbeat(group, member_id, epoch, **fields)
        response = sides.compare(CONSUMER_GROUP_HEARTBEAT, version, request)
        member_id = response.map(lambda response: response.member_id)
        return member_id, response.map(lambda response: response.member_epoch)

    first, epoch = send_heartbeat(f"a-{group}", 0, **new)
    send_heartbeat(f"b-{group}", 0, **new)
    send_heartbeat(first, -2, instance_id="one")
    compare_descriptions(sides, group)
    second, epoch = send_heartbeat(f"b-{group}", 0, **new)
    send_heartbeat(first, epoch, instance_id="one")
    send_heartbeat(second, epoch, instance_id="two")
    send_heartbeat(second, epoch, instance_id="one")
    compare_descriptions(sides, group)
    send_heartbeat(second, -1, instance_id="one")
    compare_descriptions(sides, group)


@pytest.mark.parametrize("version", versions_of(CONSUMER_GROUP_HEARTBEAT))
def test_member_joins_again_as_in_kafka(sides, version):
    """Joins again with epoch 0 (KAFKA-19233), and then with an instance id that is new."""
    group, topic = f"rejoined-{version}", f"reread-{version}"
    sides.new_assignable_topic(topic, 3)
    new = {"subscribed_topic_names": [topic], "topic_partitions": []}
    for fields in ({}, {}, {"instance_id": "one"}):
        request = consumer_heartbeat(group, f"a-{group}", 0, **new, **fields)
        sides.compare(CONSUMER_GROUP_HEARTBEAT, version, request)
        compare_descriptions(sides, group)
