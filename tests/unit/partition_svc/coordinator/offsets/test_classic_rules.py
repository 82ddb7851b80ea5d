import struct

import pytest

from common.cluster.view import ClusterView
from common.ports.classic_groups import GroupProtocol
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic.group import ClassicGroup
from partition_svc.coordinator.classic.member import joining_member
from partition_svc.coordinator.group.group import Group
from partition_svc.coordinator.offsets.classic_rules import Subscriptions
from partition_svc.coordinator.settings import GroupSettings
from tests.support.groups.driven_group import DrivenGroup
from tests.support.groups.groups import join_request

RETENTION_MS = 100_000
READS_U = b"\x00\x00" + b"\x00\x00\x00\x01" + b"\x00\x01u"


def driven_group():
    return DrivenGroup(offsets_retention_ms=RETENTION_MS)


def expire_offsets(driven):
    driven._add_result(None, driven.group.expire_offsets(driven.now_ms))


def test_any_client_commits_to_a_group_without_members():
    driven = driven_group()
    assert driven.commit(5).refusals == [None]
    assert driven.committed() == 5
    assert driven.state == "Empty"


def test_only_members_commit_to_a_group_with_members():
    driven = driven_group()
    driven.stable("a")
    assert driven.commit(5).refusal is GroupRefusal.UNKNOWN_MEMBER_ID
    assert driven.committed() is None


def test_any_client_commits_after_the_members_left():
    driven = driven_group()
    driven.stable("a")
    driven.leave("a")
    assert driven.commit(5).refusals == [None]


@pytest.mark.parametrize(
    ("member_id", "generation_id", "refusal"),
    [
        ("a", 1, None),
        ("a", 0, GroupRefusal.ILLEGAL_GENERATION),
        ("a", 2, GroupRefusal.ILLEGAL_GENERATION),
        ("a", -1, GroupRefusal.ILLEGAL_GENERATION),
        ("x", 1, GroupRefusal.UNKNOWN_MEMBER_ID),
        ("", 1, GroupRefusal.UNKNOWN_MEMBER_ID),
    ],
)
def test_members_commit_in_their_generation(member_id, generation_id, refusal):
    driven = driven_group()
    assert driven.stable("a") == 1
    assert driven.commit(5, member_id, generation_id).refusal is refusal
    assert driven.committed() == (5 if refusal is None else None)


def test_members_commit_during_the_join_phase_but_not_before_their_assignment():
    driven = driven_group()
    generation = driven.stable("a")
    driven.join(new_id="b")
    assert driven.commit(5, "a", generation).refusal is None
    driven.join("a")
    assert driven.commit(6, "a", generation).refusal is GroupRefusal.ILLEGAL_GENERATION
    in_progress = GroupRefusal.REBALANCE_IN_PROGRESS
    assert driven.commit(6, "a", generation + 1).refusal is in_progress
    assert driven.committed() == 5


def test_offsets_without_members_expire_after_their_commit():
    driven = driven_group()
    driven.commit(5)
    driven.pass_ms(RETENTION_MS - 1)
    expire_offsets(driven)
    assert driven.committed() == 5
    driven.pass_ms(1)
    expire_offsets(driven)
    assert driven.committed() is None
    assert not driven.group.exists


def test_offsets_expire_after_the_last_member_left():
    driven = driven_group()
    generation = driven.stable("a", session_ms=1_000_000)
    driven.commit(5, "a", generation)
    driven.pass_ms(RETENTION_MS)
    expire_offsets(driven)
    assert driven.committed() == 5
    driven.leave("a")
    driven.pass_ms(RETENTION_MS - 1)
    expire_offsets(driven)
    assert driven.committed() == 5
    driven.pass_ms(1)
    expire_offsets(driven)
    assert not driven.group.exists


def test_retention_of_an_empty_group_without_timestamp_counts_from_the_commit():
    driven = driven_group()
    driven.stable("a")
    driven.leave("a")
    driven.records.append(
        driven.records[-1]._replace(value=driven.stored._replace(state_since_ms=-1))
    )
    driven.restart()
    driven.commit(5)
    driven.pass_ms(RETENTION_MS - 1)
    expire_offsets(driven)
    assert driven.committed() == 5
    driven.pass_ms(1)
    expire_offsets(driven)
    assert driven.committed() is None


def test_offsets_of_topics_without_subscription_expire():
    driven = driven_group()
    generation = driven.stable("a", metadata=READS_U, session_ms=1_000_000)
    driven.commit(5, "a", generation)
    driven.pass_ms(RETENTION_MS)
    expire_offsets(driven)
    assert driven.committed() is None
    assert driven.heartbeat("a", generation) is None


@pytest.mark.parametrize("fields", [{"metadata": b"unreadable"}, {"protocol_type": "connect"}])
def test_offsets_do_not_expire_with_unknown_subscriptions(fields):
    driven = driven_group()
    generation = driven.stable("a", session_ms=1_000_000, **fields)
    driven.commit(5, "a", generation)
    driven.pass_ms(RETENTION_MS)
    expire_offsets(driven)
    assert driven.committed() == 5


def test_offsets_do_not_expire_during_a_rebalance():
    driven = driven_group()
    generation = driven.stable("a", metadata=READS_U, session_ms=1_000_000)
    driven.commit(5, "a", generation)
    driven.join("a", metadata=READS_U, session_ms=1_000_000)
    driven.pass_ms(RETENTION_MS // 2)
    assert driven.state == "CompletingRebalance" or driven.state == "PreparingRebalance"
    driven.now_ms += RETENTION_MS
    expire_offsets(driven)
    assert driven.committed() == 5


def test_retention_of_a_commit_overrides_the_setting():
    driven = driven_group()
    driven.commit(5, retention_ms=10)
    driven.pass_ms(9)
    expire_offsets(driven)
    assert driven.committed() == 5
    driven.pass_ms(1)
    expire_offsets(driven)
    assert driven.committed() is None


def subscriptions(*metadata):
    """Returns the subscriptions of a group whose members sent `metadata`."""
    group = ClassicGroup("g", GroupSettings())
    group.protocol_type, group.protocol = "consumer", "range"
    for number, subscription in enumerate(metadata):
        request = join_request(protocols=[GroupProtocol("range", subscription)])
        group.members.add(joining_member(request, f"m{number}"))
    return Subscriptions(group)


def test_number_of_parsed_topics_is_limited():
    def encode_subscription(count, name):
        return struct.pack(">hi", 0, count) + (struct.pack(">h", 1) + name) * count

    few = subscriptions(READS_U, *[encode_subscription(200_000, b"t")] * 3)
    assert few.are_known
    assert ("t" in few, "v" in few) == (True, False)
    many = subscriptions(encode_subscription(200_000, b"t"), encode_subscription(100_001, b"u"))
    assert not many.are_known
    assert "v" in many, "an unknown subscription may have any topic"


def test_stored_times_and_expiry_follow_the_wall_clock():
    driven = driven_group()
    wall_ms = 50 * RETENTION_MS
    driven.group = Group("g", driven.settings, ClusterView(), lambda: wall_ms)
    driven.commit(5)
    assert driven.records[-1].value.committed_at_ms == wall_ms
    driven.join("")
    assert driven.group.classic.state_since_ms == wall_ms
    driven.group = Group("g", driven.settings, ClusterView(), lambda: wall_ms)
    driven.commit(5)
    driven.now_ms += RETENTION_MS
    expire_offsets(driven)
    assert driven.committed() == 5
    wall_ms += RETENTION_MS
    expire_offsets(driven)
    assert driven.committed() is None
