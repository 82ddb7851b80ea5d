"""Classic groups: JoinGroup, SyncGroup, Heartbeat, LeaveGroup, and their descriptions."""

import pytest

from tests.differential.requests import (
    commit,
    heartbeat,
    join,
    leave,
    offset_delete,
    offset_fetch,
    sync,
)
from tests.differential.sides import versions_of
from tests.support.wire.group_apis import (
    DELETE_GROUPS,
    DESCRIBE_GROUPS,
    HEARTBEAT,
    JOIN_GROUP,
    LEAVE_GROUP,
    LIST_GROUPS,
    OFFSET_COMMIT,
    OFFSET_DELETE,
    OFFSET_FETCH,
    SYNC_GROUP,
    assignment,
    subscription,
)

#: Since this version a new member has to join again with the id that it got.
MEMBER_ID_REQUIRED_SINCE = 4
STATIC_SINCE = 5


def compare_descriptions(sides, group):
    """Compares how both describe and list the group."""
    request = {"groups": [group], "include_authorized_operations": True}
    sides.compare(DESCRIBE_GROUPS, 6, request)
    sides.compare(LIST_GROUPS, 5, {"states_filter": [], "types_filter": []})


def join_group(sides, group, version, **fields):
    """Joins the only member of a group, and returns its id and the generation."""
    response = sides.compare(JOIN_GROUP, version, join(group, **fields))
    if version >= MEMBER_ID_REQUIRED_SINCE and fields.get("group_instance_id") is None:
        member_id = response.map(lambda response: response.member_id)
        response = sides.compare(JOIN_GROUP, version, join(group, member_id, **fields))
    member_id = response.map(lambda response: response.member_id)
    return member_id, response.map(lambda response: response.generation_id)


@pytest.mark.parametrize("version", versions_of(JOIN_GROUP))
def test_member_joins_and_leaves_as_in_kafka(sides, version):
    group = f"alone-{version}"
    sync_version = min(version, versions_of(SYNC_GROUP)[-1])
    heartbeat_version = min(version, versions_of(HEARTBEAT)[-1])
    leave_version = min(version, versions_of(LEAVE_GROUP)[-1])
    sides.new_topic(group)
    member_id, generation = join_group(sides, group, version)
    compare_descriptions(sides, group)
    sides.compare(HEARTBEAT, heartbeat_version, heartbeat(group, member_id, generation))
    assigned = assignment("orders", 0)
    for request in (
        sync(group, "unknown", generation, assigned=assigned),
        sync(group, member_id, 77, assigned=assigned),
        sync(group, member_id, generation, protocol_name="other"),
        sync(group, member_id, generation, protocol_type="other"),
        sync(group, member_id, generation, assigned=assigned),
        sync(group, member_id, generation),
    ):
        sides.compare(SYNC_GROUP, sync_version, request)
    compare_descriptions(sides, group)
    for request in (
        heartbeat(group, member_id, generation),
        heartbeat(group, "unknown", generation),
        heartbeat(group, "", generation),
        heartbeat(group, member_id, 77),
        heartbeat(group, member_id, -1),
        heartbeat("unknown", member_id, generation),
        heartbeat("", member_id, generation),
    ):
        sides.compare(HEARTBEAT, heartbeat_version, request)
    offset = (group, None, 0, 5, "")
    for fields in (
        {"member_id": member_id, "generation_id_or_member_epoch": generation},
        {"member_id": member_id, "generation_id_or_member_epoch": 77},
        {"member_id": "unknown", "generation_id_or_member_epoch": generation},
        {},
    ):
        sides.compare(OFFSET_COMMIT, 9, commit(group, offset, **fields))
    sides.compare(OFFSET_FETCH, 9, offset_fetch(group, all_topics=True))
    sides.compare(OFFSET_DELETE, 0, offset_delete(group, ("orders", 0), (group, 0)))
    sides.compare(DELETE_GROUPS, 2, {"groups_names": [group]})
    # The leader joins again, which starts another generation.
    sides.compare(JOIN_GROUP, version, join(group, member_id))
    sides.compare(HEARTBEAT, heartbeat_version, heartbeat(group, member_id, generation))
    for request in (
        leave(group, "unknown"),
        leave("unknown", member_id),
        leave("", member_id),
        leave(group, member_id),
        leave(group, member_id),
    ):
        sides.compare(LEAVE_GROUP, leave_version, request)
    compare_descriptions(sides, group)
    sides.compare(JOIN_GROUP, version, join(group, member_id))


@pytest.mark.parametrize("version", versions_of(JOIN_GROUP))
def test_joins_are_refused_as_in_kafka(sides, version):
    group = f"refuses-{version}"
    join_group(sides, group, version)
    for request in (
        join(""),
        join(group, "unknown"),
        join(group, session_timeout=1),
        join(group, session_timeout=10_000_000),
        join(group, protocol_type="other"),
        join(group, protocol_type=""),
        join(group, protocols=[]),
        join(group, protocols=[{"name": "other", "metadata": b""}]),
        join(f"new-{version}", "unknown"),
    ):
        sides.compare(JOIN_GROUP, version, request)
    compare_descriptions(sides, group)


@pytest.mark.parametrize("version", versions_of(JOIN_GROUP))
def test_two_members_share_partitions_as_in_kafka(sides, version):
    group = f"two-{version}"
    sync_version = min(version, versions_of(SYNC_GROUP)[-1])
    heartbeat_version = min(version, versions_of(HEARTBEAT)[-1])
    leave_version = min(version, versions_of(LEAVE_GROUP)[-1])
    leader, first_generation = join_group(sides, group, version)
    sides.compare(
        SYNC_GROUP,
        sync_version,
        sync(group, leader, first_generation, assigned=assignment("orders", 0, 1)),
    )
    second = ""
    if version >= MEMBER_ID_REQUIRED_SINCE:
        response = sides.compare(JOIN_GROUP, version, join(group), connection="second")
        second = response.map(lambda response: response.member_id)
        compare_descriptions(sides, group)
    protocols = [{"name": "range", "metadata": subscription("more")}]
    sides.begin(JOIN_GROUP, version, join(group, second, protocols=protocols), connection="second")
    # The rebalance has begun when the first member is notified.
    sides.prepare(
        HEARTBEAT,
        heartbeat_version,
        heartbeat(group, leader, first_generation),
        lambda response: response.error_code == 27,
    )
    sides.compare(
        OFFSET_COMMIT,
        9,
        commit(
            group,
            ("orders", None, 0, 5, ""),
            member_id=leader,
            generation_id_or_member_epoch=first_generation,
        ),
    )
    compare_descriptions(sides, group)
    response = sides.compare(JOIN_GROUP, version, join(group, leader))
    generation = response.map(lambda response: response.generation_id)
    other = sides.end(JOIN_GROUP, version, connection="second").map(
        lambda response: response.member_id
    )
    sides.begin(SYNC_GROUP, sync_version, sync(group, other, generation), connection="second")
    assignments = [
        {"member_id": leader, "assignment": assignment("orders", 0)},
        {"member_id": other, "assignment": assignment("orders", 1)},
    ]
    sides.compare(
        SYNC_GROUP, sync_version, {**sync(group, leader, generation), "assignments": assignments}
    )
    sides.end(SYNC_GROUP, sync_version, connection="second")
    compare_descriptions(sides, group)
    # A follower without changes gets the current state.
    sides.compare(JOIN_GROUP, version, join(group, other, protocols=protocols), connection="second")
    sides.compare(SYNC_GROUP, sync_version, sync(group, other, generation), connection="second")
    sides.compare(LEAVE_GROUP, leave_version, leave(group, leader))
    sides.compare(HEARTBEAT, heartbeat_version, heartbeat(group, other, generation))
    compare_descriptions(sides, group)


@pytest.mark.parametrize("version", [v for v in versions_of(JOIN_GROUP) if v >= STATIC_SINCE])
def test_static_members_are_replaced_as_in_kafka(sides, version):
    group = f"static-{version}"
    sync_version = min(version, versions_of(SYNC_GROUP)[-1])
    leave_version = min(version, versions_of(LEAVE_GROUP)[-1])
    first, generation = join_group(sides, group, version, group_instance_id="one")
    fields = {"group_instance_id": "one"}
    sides.compare(
        SYNC_GROUP,
        sync_version,
        sync(group, first, generation, assigned=assignment("orders", 0), **fields),
    )
    second, generation = join_group(sides, group, version, group_instance_id="one")
    for member_id in (first, second):
        sides.compare(JOIN_GROUP, version, join(group, member_id, **fields))
        sides.compare(SYNC_GROUP, sync_version, sync(group, member_id, generation, **fields))
        sides.compare(HEARTBEAT, 4, heartbeat(group, member_id, generation, **fields))
        sides.compare(
            HEARTBEAT, 4, heartbeat(group, member_id, generation, group_instance_id="two")
        )
        offset = ("orders", None, 0, 5, "")
        commit_fields = {
            "member_id": member_id,
            "generation_id_or_member_epoch": generation,
            **fields,
        }
        sides.compare(OFFSET_COMMIT, 9, commit(group, offset, **commit_fields))
    compare_descriptions(sides, group)
    for members in ([(first, "one")], [("", "two"), ("unknown", None)], [("", "one")]):
        sides.compare(LEAVE_GROUP, max(leave_version, 3), leave(group, *members))
    compare_descriptions(sides, group)


@pytest.mark.parametrize("version", range(STATIC_SINCE, versions_of(JOIN_GROUP).stop))
def test_static_member_cannot_use_a_pending_id_as_in_kafka(sides, version):
    group = f"pending-{version}"
    response = sides.compare(JOIN_GROUP, version, join(group))
    member_id = response.map(lambda response: response.member_id)
    sides.compare(JOIN_GROUP, version, join(group, member_id, group_instance_id="one"))
    sides.compare(JOIN_GROUP, version, join(group, member_id))
    compare_descriptions(sides, group)
