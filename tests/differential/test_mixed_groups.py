"""Groups with members of the classic and of the consumer protocol: joins, upgrades, refusals."""

import pytest

from tests.differential.requests import (
    commit,
    consumer_heartbeat,
    heartbeat,
    join,
    leave,
    offset_fetch,
    sync,
)
from tests.differential.sides import has_partitions, versions_of
from tests.support.wire.group_apis import (
    CONSUMER_GROUP_DESCRIBE,
    CONSUMER_GROUP_HEARTBEAT,
    DELETE_GROUPS,
    DESCRIBE_GROUPS,
    HEARTBEAT,
    JOIN_GROUP,
    LEAVE_GROUP,
    LIST_GROUPS,
    OFFSET_COMMIT,
    OFFSET_FETCH,
    SYNC_GROUP,
    assignment,
    subscription,
)

#: Regular expressions of subscriptions, and the indexes of those that match a topic.
PATTERNS = ("found-.*", ".*found-[12]", "(")
MATCHING = (0, 1)


def compare_descriptions(sides, group):
    """Compares how both describe and list the group."""
    request = {"group_ids": [group], "include_authorized_operations": False}
    sides.compare(CONSUMER_GROUP_DESCRIBE, 1, request)
    request = {"groups": [group], "include_authorized_operations": False}
    sides.compare(DESCRIBE_GROUPS, 6, request)
    sides.compare(LIST_GROUPS, 5, {"states_filter": [], "types_filter": []})


def consumer_fields(topic):
    return {"subscribed_topic_names": [topic], "topic_partitions": []}


def classic_fields(topic, name="range"):
    return {"protocols": [{"name": name, "metadata": subscription(topic)}]}


@pytest.mark.parametrize("version", [6, 9])
def test_classic_group_is_upgraded_as_in_kafka(sides, version):
    # The epoch of the group continues from its generation, which is the same in both brokers.
    sides.kafka.reader.first_epoch = 1
    group, topic = f"upgraded-{version}", f"upgrades-{version}"
    topic_id = sides.new_assignable_topic(topic, 2)
    response = sides.compare(JOIN_GROUP, version, join(group, **classic_fields(topic)))
    old = response.map(lambda response: response.member_id)
    response = sides.compare(JOIN_GROUP, version, join(group, old, **classic_fields(topic)))
    generation = response.map(lambda response: response.generation_id)
    sides.compare(SYNC_GROUP, 5, sync(group, old, generation, assigned=assignment(topic, 0, 1)))
    new = f"new-{group}"
    sides.compare(
        CONSUMER_GROUP_HEARTBEAT, 1, consumer_heartbeat(group, new, 0, **consumer_fields(topic))
    )
    compare_descriptions(sides, group)
    # The classic member is notified, revokes the partitions it loses, and continues.
    sides.compare(HEARTBEAT, 4, heartbeat(group, old, generation))
    owning_fields = {"protocols": [{"name": "range", "metadata": owned_subscription(topic, 0, 1)}]}
    response = sides.compare(JOIN_GROUP, version, join(group, old, **owning_fields))
    generation = response.map(lambda response: response.generation_id)
    sides.compare(SYNC_GROUP, 5, sync(group, old, generation))
    compare_descriptions(sides, group)
    sides.compare(
        OFFSET_COMMIT,
        9,
        commit(
            group, (topic, None, 0, 5, ""), member_id=old, generation_id_or_member_epoch=generation
        ),
    )
    sides.compare(LEAVE_GROUP, 5, leave(group, old))
    compare_descriptions(sides, group)
    owned = [{"topic_id": topic_id, "partitions": []}]
    sides.compare(
        CONSUMER_GROUP_HEARTBEAT, 1, consumer_heartbeat(group, new, -1, topic_partitions=owned)
    )
    compare_descriptions(sides, group)
    sides.compare(OFFSET_FETCH, 9, offset_fetch(group, all_topics=True))


def owned_subscription(topic, *partitions):
    """Returns a ConsumerProtocolSubscription, version 1, with the partitions that a member owns."""
    data = bytearray(subscription(topic))
    data[1] = 1
    name = len(topic).to_bytes(2, "big") + topic.encode()
    numbers = b"".join(number.to_bytes(4, "big") for number in (len(partitions), *partitions))
    return bytes(data) + (1).to_bytes(4, "big") + name + numbers


def test_classic_members_join_a_consumer_group_as_in_kafka(sides):
    for version in (v for v in versions_of(JOIN_GROUP) if v >= 2):
        group, topic = f"joined-{version}", f"joins-{version}"
        sides.new_assignable_topic(topic, 2)
        new = f"new-{group}"
        heartbeat_request = consumer_heartbeat(group, new, 0, **consumer_fields(topic))
        epoch = sides.compare(CONSUMER_GROUP_HEARTBEAT, 1, heartbeat_request).map(
            lambda response: response.member_epoch
        )
        for request in (
            join(group, **classic_fields(topic), protocol_type="other"),
            join(group, "unknown", **classic_fields(topic)),
            join(group, session_timeout=1, **classic_fields(topic)),
        ):
            sides.compare(JOIN_GROUP, version, request)
        compare_descriptions(sides, group)
        sides.compare(OFFSET_COMMIT, 9, commit(group, (topic, None, 0, 5, "")))
        for request in (heartbeat(group, new, epoch), heartbeat(group, "unknown", 1)):
            sides.compare(HEARTBEAT, 4, request)
        for request in (sync(group, new, epoch), sync(group, "unknown", 1)):
            sides.compare(SYNC_GROUP, 5, request)
        # An operator removes members of either protocol with LeaveGroup.
        for members in (["unknown"], [new], [new]):
            sides.compare(LEAVE_GROUP, 5, leave(group, *members))


def test_consumers_cannot_join_a_group_of_another_protocol_type_as_in_kafka(sides):
    topic_id = sides.new_assignable_topic("of-others", 1)
    response = sides.compare(JOIN_GROUP, 5, join("connectors", protocol_type="connect"))
    member_id = response.map(lambda response: response.member_id)
    joining = join("connectors", member_id, protocol_type="connect")
    sides.compare(JOIN_GROUP, 5, joining)
    heartbeat_request = consumer_heartbeat("connectors", "new", 0, **consumer_fields("of-others"))
    sides.compare(CONSUMER_GROUP_HEARTBEAT, 1, heartbeat_request)
    compare_descriptions(sides, "connectors")
    # A group without members takes the protocol of the first member that joins.
    sides.compare(OFFSET_COMMIT, 9, commit("offsets-only", ("of-others", topic_id, 0, 5, "")))
    heartbeat_request = consumer_heartbeat("offsets-only", "new", 0, **consumer_fields("of-others"))
    sides.compare(CONSUMER_GROUP_HEARTBEAT, 1, heartbeat_request)
    compare_descriptions(sides, "offsets-only")
    sides.compare(CONSUMER_GROUP_HEARTBEAT, 1, consumer_heartbeat("offsets-only", "new", -1))
    compare_descriptions(sides, "offsets-only")
    sides.compare(OFFSET_FETCH, 9, offset_fetch("offsets-only", all_topics=True))
    sides.compare(JOIN_GROUP, 5, join("offsets-only"))
    compare_descriptions(sides, "offsets-only")
    sides.compare(DELETE_GROUPS, 2, {"groups_names": ["offsets-only", "connectors"]})


def test_topics_are_subscribed_by_regular_expressions_as_in_kafka(sides):
    for name in ("found-1", "found-2", "not-found"):
        sides.new_assignable_topic(name, 1)
    for number, pattern in enumerate(PATTERNS):
        group = f"finds-{number}"
        joining = consumer_heartbeat(
            group, f"m-{number}", 0, subscribed_topic_regex=pattern, topic_partitions=[]
        )
        if number in MATCHING:
            # Kafka looks for topics in a thread of its own.
            sides.prepare(CONSUMER_GROUP_HEARTBEAT, 1, joining, has_partitions)
        sides.compare(CONSUMER_GROUP_HEARTBEAT, 1, joining)
        sides.compare(CONSUMER_GROUP_HEARTBEAT, 1, consumer_heartbeat(group, f"m-{number}", -1))
