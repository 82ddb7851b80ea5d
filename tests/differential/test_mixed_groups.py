"""Groups of both protocols: who may join which, and members that come by the other protocol."""

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

#: What members subscribe to, and which of it there is.
PATTERNS = ("found-.*", ".*found-[12]", "(")
FINDING = (0, 1)


def looked_at(sides, group):
    asked = {"group_ids": [group], "include_authorized_operations": False}
    sides.ask(CONSUMER_GROUP_DESCRIBE, 1, asked)
    asked = {"groups": [group], "include_authorized_operations": False}
    sides.ask(DESCRIBE_GROUPS, 6, asked)
    sides.ask(LIST_GROUPS, 5, {"states_filter": [], "types_filter": []})


def reading(topic):
    return {"subscribed_topic_names": [topic], "topic_partitions": []}


def classic(topic, name="range"):
    return {"protocols": [{"name": name, "metadata": subscription(topic)}]}


@pytest.mark.parametrize("version", [6, 9])
def test_a_classic_group_is_upgraded_alike(sides, version):
    # Its epoch continues from its generation, in which both agree.
    sides.kafka.reading.first_epoch = 1
    group, topic = f"upgraded-{version}", f"upgrades-{version}"
    topic_id = sides.assignable(topic, 2)
    answer = sides.ask(JOIN_GROUP, version, join(group, **classic(topic)))
    old = answer.of(lambda one: one.member_id)
    answer = sides.ask(JOIN_GROUP, version, join(group, old, **classic(topic)))
    generation = answer.of(lambda one: one.generation_id)
    sides.ask(SYNC_GROUP, 5, sync(group, old, generation, assigned=assignment(topic, 0, 1)))
    new = f"new-{group}"
    sides.ask(CONSUMER_GROUP_HEARTBEAT, 1, consumer_heartbeat(group, new, 0, **reading(topic)))
    looked_at(sides, group)
    # The classic member is notified, revokes the partitions it loses, and continues.
    sides.ask(HEARTBEAT, 4, heartbeat(group, old, generation))
    owning = {"protocols": [{"name": "range", "metadata": owned_subscription(topic, 0, 1)}]}
    answer = sides.ask(JOIN_GROUP, version, join(group, old, **owning))
    generation = answer.of(lambda one: one.generation_id)
    sides.ask(SYNC_GROUP, 5, sync(group, old, generation))
    looked_at(sides, group)
    sides.ask(
        OFFSET_COMMIT,
        9,
        commit(
            group, (topic, None, 0, 5, ""), member_id=old, generation_id_or_member_epoch=generation
        ),
    )
    sides.ask(LEAVE_GROUP, 5, leave(group, old))
    looked_at(sides, group)
    owned = [{"topic_id": topic_id, "partitions": []}]
    sides.ask(
        CONSUMER_GROUP_HEARTBEAT, 1, consumer_heartbeat(group, new, -1, topic_partitions=owned)
    )
    looked_at(sides, group)
    sides.ask(OFFSET_FETCH, 9, offset_fetch(group, every=True))


def owned_subscription(topic, *partitions):
    """ConsumerProtocolSubscription, version 1, with what a member has."""
    data = bytearray(subscription(topic))
    data[1] = 1
    name = len(topic).to_bytes(2, "big") + topic.encode()
    numbers = b"".join(one.to_bytes(4, "big") for one in (len(partitions), *partitions))
    return bytes(data) + (1).to_bytes(4, "big") + name + numbers


def test_members_of_the_classic_protocol_join_a_consumer_group_alike(sides):
    for version in (v for v in versions_of(JOIN_GROUP) if v >= 2):
        group, topic = f"joined-{version}", f"joins-{version}"
        sides.assignable(topic, 2)
        new = f"new-{group}"
        beat = consumer_heartbeat(group, new, 0, **reading(topic))
        epoch = sides.ask(CONSUMER_GROUP_HEARTBEAT, 1, beat).of(lambda one: one.member_epoch)
        for asked in (
            join(group, **classic(topic), protocol_type="other"),
            join(group, "unknown", **classic(topic)),
            join(group, session_timeout=1, **classic(topic)),
        ):
            sides.ask(JOIN_GROUP, version, asked)
        looked_at(sides, group)
        sides.ask(OFFSET_COMMIT, 9, commit(group, (topic, None, 0, 5, "")))
        for asked in (heartbeat(group, new, epoch), heartbeat(group, "unknown", 1)):
            sides.ask(HEARTBEAT, 4, asked)
        for asked in (sync(group, new, epoch), sync(group, "unknown", 1)):
            sides.ask(SYNC_GROUP, 5, asked)
        # An operator puts a member out by the classic API, of whichever protocol it is.
        for members in (["unknown"], [new], [new]):
            sides.ask(LEAVE_GROUP, 5, leave(group, *members))


def test_a_group_of_another_kind_is_none_for_consumers(sides):
    topic_id = sides.assignable("of-others", 1)
    answer = sides.ask(JOIN_GROUP, 5, join("connectors", protocol_type="connect"))
    member_id = answer.of(lambda one: one.member_id)
    joining = join("connectors", member_id, protocol_type="connect")
    sides.ask(JOIN_GROUP, 5, joining)
    beat = consumer_heartbeat("connectors", "new", 0, **reading("of-others"))
    sides.ask(CONSUMER_GROUP_HEARTBEAT, 1, beat)
    looked_at(sides, "connectors")
    # A group of offsets only becomes what comes first.
    sides.ask(OFFSET_COMMIT, 9, commit("offsets-only", ("of-others", topic_id, 0, 5, "")))
    beat = consumer_heartbeat("offsets-only", "new", 0, **reading("of-others"))
    sides.ask(CONSUMER_GROUP_HEARTBEAT, 1, beat)
    looked_at(sides, "offsets-only")
    sides.ask(CONSUMER_GROUP_HEARTBEAT, 1, consumer_heartbeat("offsets-only", "new", -1))
    looked_at(sides, "offsets-only")
    sides.ask(OFFSET_FETCH, 9, offset_fetch("offsets-only", every=True))
    sides.ask(JOIN_GROUP, 5, join("offsets-only"))
    looked_at(sides, "offsets-only")
    sides.ask(DELETE_GROUPS, 2, {"groups_names": ["offsets-only", "connectors"]})


def test_topics_are_found_by_expressions_alike(sides):
    for name in ("found-1", "found-2", "not-found"):
        sides.assignable(name, 1)
    for number, pattern in enumerate(PATTERNS):
        group = f"finds-{number}"
        joining = consumer_heartbeat(
            group, f"m-{number}", 0, subscribed_topic_regex=pattern, topic_partitions=[]
        )
        if number in FINDING:
            # Kafka looks for topics in a thread of its own.
            sides.prepare(CONSUMER_GROUP_HEARTBEAT, 1, joining, has_partitions)
        sides.ask(CONSUMER_GROUP_HEARTBEAT, 1, joining)
        sides.ask(CONSUMER_GROUP_HEARTBEAT, 1, consumer_heartbeat(group, f"m-{number}", -1))
