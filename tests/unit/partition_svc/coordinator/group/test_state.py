from common.cluster.view import ClusterView
from common.ports.classic_groups import (
    JoinReply,
    LeaveGroup,
    LeavingMember,
)
from common.ports.group_offsets import CommittedOffset, FetchOffsets
from partition_svc.coordinator.group.group import Group
from partition_svc.coordinator.group.logged_members import LoadedGroup
from partition_svc.coordinator.records.stored import StoredOffset
from partition_svc.coordinator.settings import GroupSettings
from tests.support.groups.driven_group import SESSION_MS, DrivenGroup
from tests.support.groups.groups import commit_request, join_request

ID, OTHER_ID = b"1" * 16, b"2" * 16


def test_group_with_offsets_or_a_record_exists():
    driven = DrivenGroup()
    driven.commit(5)
    assert driven.group.exists
    driven = DrivenGroup()
    driven.stable("a")
    driven.leave("a")
    assert driven.group.exists


def test_restored_group_is_unchanged():
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    description = driven.group.describe()
    offsets = {"t": {0: StoredOffset(5, 1, "m", 1)}}
    group = Group("g", driven.settings, ClusterView())
    group.restore(LoadedGroup(driven.stored, offsets=offsets), driven.now_ms)
    assert group.describe() == description
    assert group.next_deadline == driven.now_ms + SESSION_MS
    [(_, fetched)] = group.fetch(FetchOffsets("g"), 1, 0).replies
    assert fetched.offsets == [CommittedOffset("t", 0, 5, 1, "m")]
    driven.group = group
    assert driven.join("a") not in driven.replies
    assert driven.replies[driven.join("b")].generation_id == generation + 1


def test_leader_is_restored():
    driven = DrivenGroup()
    driven.stable("a", "b")
    driven.records.append(driven.records[-1]._replace(value=driven.stored._replace(leader="b")))
    driven.restart()
    assert driven.replies[driven.join("a")].leader == "b"


def test_empty_group_and_offsets_without_members_are_restored():
    driven = DrivenGroup()
    driven.stable("a")
    driven.leave("a")
    driven.restart()
    assert driven.state == "Empty"
    assert driven.group.exists
    assert driven.replies[driven.join(new_id="b")].generation_id == driven.stored.generation_id
    offsets = {"t": {0: StoredOffset(5, 1, "m", 1)}}
    offsets_only = Group("g", GroupSettings(), ClusterView())
    offsets_only.restore(LoadedGroup(offsets=offsets), 0)
    assert (offsets_only.exists, offsets_only.next_deadline) == (True, None)


def test_generation_grows_over_restarts_at_any_time():
    driven = DrivenGroup()
    generations = []
    for _ in range(5):
        generations.append(driven.replies[driven.join(new_id="a")].generation_id)
        driven.restart()
        driven.leave("a")
    assert generations == sorted(set(generations))


def test_roll_back_reverts_unconfirmed_requests():
    driven = DrivenGroup()
    driven.commit(5)
    member = JoinReply("a", driven.stable("a"))
    group, now_ms = driven.group, driven.now_ms
    group.confirm(driven.records)
    description = group.describe()
    group.commit(commit_request(6, "g", topic="t", joined=member), "t", now_ms)
    assert driven.committed() == 6
    group.join(join_request("", "g"), "t", now_ms, "b")
    group.leave(LeaveGroup("g", [LeavingMember("a")]), "t", now_ms)
    group.roll_back(now_ms)
    assert group.describe() == description
    assert driven.committed() == 5
    assert group.next_deadline == now_ms + SESSION_MS
