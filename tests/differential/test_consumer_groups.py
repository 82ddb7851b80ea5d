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


def looked_at(sides, *groups):
    for version in versions_of(CONSUMER_GROUP_DESCRIBE):
        for is_asked in (True, False):
            asked = {"group_ids": list(groups), "include_authorized_operations": is_asked}
            sides.ask(CONSUMER_GROUP_DESCRIBE, version, asked)
    asked = {"groups": list(groups), "include_authorized_operations": False}
    sides.ask(DESCRIBE_GROUPS, 6, asked)
    sides.ask(LIST_GROUPS, 5, {"states_filter": [], "types_filter": []})


@pytest.mark.parametrize("version", versions_of(CONSUMER_GROUP_HEARTBEAT))
def test_a_member_comes_and_goes_alike(sides, version):
    group, topic = f"consumers-{version}", f"consumed-{version}"
    topic_id = sides.assignable(topic, 3)
    own_id = str(uuid.UUID(int=version + 1))
    reading = {"subscribed_topic_names": [topic], "topic_partitions": []}

    def beat(member_id, epoch, **more):
        asked = consumer_heartbeat(group, member_id, epoch, **more)
        return sides.ask(CONSUMER_GROUP_HEARTBEAT, version, asked)

    answer = beat(own_id, 0, **reading)
    member_id = answer.of(lambda one: one.member_id)
    epoch = answer.of(lambda one: one.member_epoch)
    looked_at(sides, group, "unknown", "")
    owned = [{"topic_id": topic_id, "partitions": [0, 1, 2]}]
    beat(member_id, epoch)
    beat(member_id, epoch, topic_partitions=owned)
    looked_at(sides, group)
    for more in (
        {"member_id": member_id, "generation_id_or_member_epoch": epoch},
        {"member_id": member_id, "generation_id_or_member_epoch": 77},
        {"member_id": member_id, "generation_id_or_member_epoch": 0},
        {"member_id": "unknown", "generation_id_or_member_epoch": epoch},
        {},
    ):
        for of_commit in (8, 9):
            sides.ask(OFFSET_COMMIT, of_commit, commit(group, (topic, None, 0, 5, ""), **more))
    for more in (
        {"member_id": member_id, "member_epoch": epoch},
        {"member_id": member_id, "member_epoch": 77},
        {"member_id": "unknown", "member_epoch": epoch},
        {"member_id": None, "member_epoch": -1},
    ):
        sides.ask(OFFSET_FETCH, 9, offset_fetch(group, every=True, **more))
    for asked in (
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
        sides.ask(CONSUMER_GROUP_HEARTBEAT, version, asked)
    sides.ask(DELETE_GROUPS, 2, {"groups_names": [group]})
    beat(member_id, -1)
    beat(member_id, -1)
    looked_at(sides, group)
    sides.ask(DELETE_GROUPS, 2, {"groups_names": [group]})


@pytest.mark.parametrize("version", versions_of(CONSUMER_GROUP_HEARTBEAT))
@pytest.mark.parametrize("assignor", ["uniform", "range"])
def test_partitions_are_handed_over_alike(sides, version, assignor):
    group, topic = f"handed-{assignor}-{version}", f"shared-{assignor}-{version}"
    topic_id = sides.assignable(topic, 4)

    def beat(member_id, epoch, *owned, **more):
        ownership = {"topic_partitions": [{"topic_id": topic_id, "partitions": list(owned)}]}
        asked = consumer_heartbeat(group, member_id, epoch, **{**ownership, **more})
        answer = sides.ask(CONSUMER_GROUP_HEARTBEAT, version, asked)
        return answer.of(lambda one: one.member_id), answer.of(lambda one: one.member_epoch)

    new = {
        "subscribed_topic_names": [topic],
        "topic_partitions": [],
        "server_assignor": assignor,
    }
    first, epoch = beat(f"a-{group}", 0, **new)
    beat(first, epoch, 0, 1, 2, 3)
    second, other = beat(f"b-{group}", 0, **new)
    looked_at(sides, group)
    # The first one gives up what is not its own any more, and the second one gets it.
    beat(first, epoch, 0, 1, 2, 3)
    looked_at(sides, group)
    _, epoch = beat(first, epoch, 0, 1)
    _, other = beat(second, other)
    beat(second, other, 2, 3)
    looked_at(sides, group)
    beat(first, -1)
    _, other = beat(second, other, 2, 3)
    beat(second, other, 0, 1, 2, 3)
    looked_at(sides, group)


@pytest.mark.parametrize("version", versions_of(CONSUMER_GROUP_HEARTBEAT))
def test_static_members_are_known_alike(sides, version):
    group, topic = f"static-consumers-{version}", f"read-{version}"
    sides.assignable(topic, 2)
    new = {"subscribed_topic_names": [topic], "topic_partitions": [], "instance_id": "one"}

    def beat(member_id, epoch, **more):
        asked = consumer_heartbeat(group, member_id, epoch, **more)
        answer = sides.ask(CONSUMER_GROUP_HEARTBEAT, version, asked)
        return answer.of(lambda one: one.member_id), answer.of(lambda one: one.member_epoch)

    first, epoch = beat(f"a-{group}", 0, **new)
    beat(f"b-{group}", 0, **new)
    beat(first, -2, instance_id="one")
    looked_at(sides, group)
    second, epoch = beat(f"b-{group}", 0, **new)
    beat(first, epoch, instance_id="one")
    beat(second, epoch, instance_id="two")
    beat(second, epoch, instance_id="one")
    looked_at(sides, group)
    beat(second, -1, instance_id="one")
    looked_at(sides, group)


@pytest.mark.parametrize("version", versions_of(CONSUMER_GROUP_HEARTBEAT))
def test_a_member_joins_again_alike(sides, version):
    """With epoch 0 (KAFKA-19233), and with an instance id that it says for the first time."""
    group, topic = f"rejoined-{version}", f"reread-{version}"
    sides.assignable(topic, 3)
    new = {"subscribed_topic_names": [topic], "topic_partitions": []}
    for more in ({}, {}, {"instance_id": "one"}):
        asked = consumer_heartbeat(group, f"a-{group}", 0, **new, **more)
        sides.ask(CONSUMER_GROUP_HEARTBEAT, version, asked)
        looked_at(sides, group)
