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

#: Since this version a member first gets an id, and joins with it.
ID_FIRST = 4
STATIC_SINCE = 5


def looked_at(sides, group):
    """Compares the group's descriptions for operators."""
    asked = {"groups": [group], "include_authorized_operations": True}
    sides.ask(DESCRIBE_GROUPS, 6, asked)
    sides.ask(LIST_GROUPS, 5, {"states_filter": [], "types_filter": []})


def joined(sides, group, version, **more):
    """Id and generation of a member that is alone in its group."""
    answer = sides.ask(JOIN_GROUP, version, join(group, **more))
    if version >= ID_FIRST and more.get("group_instance_id") is None:
        member_id = answer.of(lambda one: one.member_id)
        answer = sides.ask(JOIN_GROUP, version, join(group, member_id, **more))
    return answer.of(lambda one: one.member_id), answer.of(lambda one: one.generation_id)


@pytest.mark.parametrize("version", versions_of(JOIN_GROUP))
def test_a_member_comes_and_goes_alike(sides, version):
    group = f"alone-{version}"
    of_sync = min(version, versions_of(SYNC_GROUP)[-1])
    of_beat = min(version, versions_of(HEARTBEAT)[-1])
    of_leave = min(version, versions_of(LEAVE_GROUP)[-1])
    sides.new_topic(group)
    member_id, generation = joined(sides, group, version)
    looked_at(sides, group)
    sides.ask(HEARTBEAT, of_beat, heartbeat(group, member_id, generation))
    assigned = assignment("orders", 0)
    for asked in (
        sync(group, "unknown", generation, assigned=assigned),
        sync(group, member_id, 77, assigned=assigned),
        sync(group, member_id, generation, protocol_name="other"),
        sync(group, member_id, generation, protocol_type="other"),
        sync(group, member_id, generation, assigned=assigned),
        sync(group, member_id, generation),
    ):
        sides.ask(SYNC_GROUP, of_sync, asked)
    looked_at(sides, group)
    for asked in (
        heartbeat(group, member_id, generation),
        heartbeat(group, "unknown", generation),
        heartbeat(group, "", generation),
        heartbeat(group, member_id, 77),
        heartbeat(group, member_id, -1),
        heartbeat("unknown", member_id, generation),
        heartbeat("", member_id, generation),
    ):
        sides.ask(HEARTBEAT, of_beat, asked)
    offset = (group, None, 0, 5, "")
    for more in (
        {"member_id": member_id, "generation_id_or_member_epoch": generation},
        {"member_id": member_id, "generation_id_or_member_epoch": 77},
        {"member_id": "unknown", "generation_id_or_member_epoch": generation},
        {},
    ):
        sides.ask(OFFSET_COMMIT, 9, commit(group, offset, **more))
    sides.ask(OFFSET_FETCH, 9, offset_fetch(group, every=True))
    sides.ask(OFFSET_DELETE, 0, offset_delete(group, ("orders", 0), (group, 0)))
    sides.ask(DELETE_GROUPS, 2, {"groups_names": [group]})
    # The leader joins again: another generation.
    sides.ask(JOIN_GROUP, version, join(group, member_id))
    sides.ask(HEARTBEAT, of_beat, heartbeat(group, member_id, generation))
    for asked in (
        leave(group, "unknown"),
        leave("unknown", member_id),
        leave("", member_id),
        leave(group, member_id),
        leave(group, member_id),
    ):
        sides.ask(LEAVE_GROUP, of_leave, asked)
    looked_at(sides, group)
    sides.ask(JOIN_GROUP, version, join(group, member_id))


@pytest.mark.parametrize("version", versions_of(JOIN_GROUP))
def test_joins_are_refused_alike(sides, version):
    group = f"refuses-{version}"
    joined(sides, group, version)
    for asked in (
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
        sides.ask(JOIN_GROUP, version, asked)
    looked_at(sides, group)


@pytest.mark.parametrize("version", versions_of(JOIN_GROUP))
def test_two_members_share_alike(sides, version):
    group = f"two-{version}"
    of_sync = min(version, versions_of(SYNC_GROUP)[-1])
    of_beat = min(version, versions_of(HEARTBEAT)[-1])
    of_leave = min(version, versions_of(LEAVE_GROUP)[-1])
    leader, first = joined(sides, group, version)
    sides.ask(SYNC_GROUP, of_sync, sync(group, leader, first, assigned=assignment("orders", 0, 1)))
    second = ""
    if version >= ID_FIRST:
        answer = sides.ask(JOIN_GROUP, version, join(group), connection="second")
        second = answer.of(lambda one: one.member_id)
        looked_at(sides, group)
    protocols = [{"name": "range", "metadata": subscription("more")}]
    sides.begin(JOIN_GROUP, version, join(group, second, protocols=protocols), connection="second")
    # The rebalance has begun when the first member is notified.
    sides.prepare(
        HEARTBEAT, of_beat, heartbeat(group, leader, first), lambda one: one.error_code == 27
    )
    sides.ask(
        OFFSET_COMMIT,
        9,
        commit(
            group, ("orders", None, 0, 5, ""), member_id=leader, generation_id_or_member_epoch=first
        ),
    )
    looked_at(sides, group)
    answer = sides.ask(JOIN_GROUP, version, join(group, leader))
    generation = answer.of(lambda one: one.generation_id)
    other = sides.end(JOIN_GROUP, version, connection="second").of(lambda one: one.member_id)
    sides.begin(SYNC_GROUP, of_sync, sync(group, other, generation), connection="second")
    dealt = [
        {"member_id": leader, "assignment": assignment("orders", 0)},
        {"member_id": other, "assignment": assignment("orders", 1)},
    ]
    sides.ask(SYNC_GROUP, of_sync, {**sync(group, leader, generation), "assignments": dealt})
    sides.end(SYNC_GROUP, of_sync, connection="second")
    looked_at(sides, group)
    # A follower without changes gets the current state.
    sides.ask(JOIN_GROUP, version, join(group, other, protocols=protocols), connection="second")
    sides.ask(SYNC_GROUP, of_sync, sync(group, other, generation), connection="second")
    sides.ask(LEAVE_GROUP, of_leave, leave(group, leader))
    sides.ask(HEARTBEAT, of_beat, heartbeat(group, other, generation))
    looked_at(sides, group)


@pytest.mark.parametrize("version", [v for v in versions_of(JOIN_GROUP) if v >= STATIC_SINCE])
def test_static_members_are_known_alike(sides, version):
    group = f"static-{version}"
    of_sync = min(version, versions_of(SYNC_GROUP)[-1])
    of_leave = min(version, versions_of(LEAVE_GROUP)[-1])
    first, generation = joined(sides, group, version, group_instance_id="one")
    more = {"group_instance_id": "one"}
    sides.ask(
        SYNC_GROUP,
        of_sync,
        sync(group, first, generation, assigned=assignment("orders", 0), **more),
    )
    second, generation = joined(sides, group, version, group_instance_id="one")
    for member_id in (first, second):
        sides.ask(JOIN_GROUP, version, join(group, member_id, **more))
        sides.ask(SYNC_GROUP, of_sync, sync(group, member_id, generation, **more))
        sides.ask(HEARTBEAT, 4, heartbeat(group, member_id, generation, **more))
        sides.ask(HEARTBEAT, 4, heartbeat(group, member_id, generation, group_instance_id="two"))
        offset = ("orders", None, 0, 5, "")
        more_of_commit = {
            "member_id": member_id,
            "generation_id_or_member_epoch": generation,
            **more,
        }
        sides.ask(OFFSET_COMMIT, 9, commit(group, offset, **more_of_commit))
    looked_at(sides, group)
    for members in ([(first, "one")], [("", "two"), ("unknown", None)], [("", "one")]):
        sides.ask(LEAVE_GROUP, max(of_leave, 3), leave(group, *members))
    looked_at(sides, group)


@pytest.mark.parametrize("version", range(STATIC_SINCE, versions_of(JOIN_GROUP).stop))
def test_a_pending_id_is_not_for_a_static_member_alike(sides, version):
    group = f"pending-{version}"
    answer = sides.ask(JOIN_GROUP, version, join(group))
    member_id = answer.of(lambda one: one.member_id)
    sides.ask(JOIN_GROUP, version, join(group, member_id, group_instance_id="one"))
    sides.ask(JOIN_GROUP, version, join(group, member_id))
    looked_at(sides, group)
