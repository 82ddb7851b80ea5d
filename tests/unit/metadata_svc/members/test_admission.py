import pytest

from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Endpoint, Gateway, Member, VolumeState
from common.ports.moves import MemberProcess
from metadata_svc.members.admission import (
    gateway_refusal,
    process_refusal,
    refusal,
    succession_problem,
)

KNOWN = Member("p-0", "a:1", "volume-0", 5)


def refusal_of(member, *, known=KNOWN, owned=3):
    view = ClusterView()
    view.apply(ClusterChange(0, "c", is_snapshot=True, members=[known]))
    return refusal(view, member, owned=owned)


@pytest.mark.parametrize(
    "member",
    [
        KNOWN,
        Member("p-0", "other-host:1", "volume-0", 6),
        Member("p-1", "a:1", "volume-1", 1),
        Member("p-1", "a:1"),
    ],
)
def test_a_member_with_its_own_volume_may_register(member):
    assert refusal_of(member) is None


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (Member("p-0", "a:1", "volume-1", 9), "owns 3 partitions on volume volume-0"),
        (Member("p-0", "a:1"), "comes with volume unknown"),
        (Member("p-1", "b:1", "volume-0", 6), "the volume of p-0"),
        (
            Member("p-0", "a:1", "volume-0", 6, volume=VolumeState(cluster_id="other")),
            "holds data of cluster other, not of c",
        ),
    ],
)
def test_a_member_that_would_lose_data_is_refused_with_the_reason(member, reason):
    assert reason in refusal_of(member)


def test_a_member_without_partitions_may_bring_another_volume():
    assert refusal_of(Member("p-0", "a:1", "volume-1", 1), owned=0) is None
    assert "the volume of p-0" in refusal_of(Member("p-1", "b:1", "volume-0", 6), owned=0)


def test_a_member_may_register_its_volume_later():
    assert refusal_of(Member("p-0", "a:1", "volume-0", 1), known=Member("p-0", "a:1")) is None


@pytest.mark.parametrize("name", ["p-0", "p-1", "p-7"])
def test_a_volume_that_was_declared_lost_cannot_register(name):
    view = ClusterView()
    view.apply(ClusterChange(0, "c", is_snapshot=True, members=[KNOWN]))
    lost = {"volume-7": "p-7"}
    reason = refusal(view, Member(name, "a:1", "volume-7", 9), owned=0, lost_volumes=lost)
    assert "declared lost when p-7 was removed" in reason
    assert refusal(view, Member("p-7", "a:1", "volume-8"), owned=0, lost_volumes=lost) is None
    # An older release does not send a volume id.
    assert refusal(view, Member("p-7", "a:1"), owned=0, lost_volumes=lost) is None


def volume(*tokens, revision=-1):
    return VolumeState(tokens, revision)


def registration(state, *, incarnation=6, volume_id="volume-0"):
    return Member("p-0", "a:1", volume_id, incarnation, "opening", state)


@pytest.mark.parametrize(
    ("member", "token", "reason"),
    [
        # The process continues from the recorded token, wherever a crash left the two sides.
        (registration(volume("known", "new")), "known", None),
        (registration(volume("older", "known", "new")), "known", None),
        (registration(volume("older", "known")), "known", None),
        # A copy of an earlier state, opened as often as the original or more often.
        (registration(volume("older", "new"), incarnation=5), "known", "older copy"),
        (registration(volume("older", "new"), incarnation=50), "known", "older copy"),
        (
            registration(volume("known", "new"), incarnation=4),
            "known",
            "a later process has replaced it",
        ),
        # No token was recorded: the previous release only counted openings.
        (registration(volume("new")), None, None),
        (registration(volume("new")), "", None),
        (registration(volume("new"), incarnation=4), None, "a later process has replaced it"),
        # A release without tokens has opened the volume again.
        (registration(None), "known", None),
        # A member without partitions registers with another volume.
        (registration(volume("new"), volume_id="volume-1"), "known", None),
        (registration(volume("known", "new", revision=10)), "known", None),
        (
            registration(volume("known", "new", revision=11)),
            "known",
            "restored from an older backup",
        ),
        (registration(volume("new", revision=11), volume_id="v"), "", "restored from an older"),
    ],
)
def test_only_the_successor_of_the_recorded_volume_may_register(member, token, reason):
    view = ClusterView()
    view.apply(ClusterChange(10, "c", is_snapshot=True, members=[KNOWN]))
    problem = succession_problem(view, member, token=token)
    assert problem is None if reason is None else reason in problem
    if reason is not None:
        assert "ringlog ring accept p-0" in problem


@pytest.mark.parametrize(
    ("known", "process", "reason"),
    [
        (Member("p-0", "a:1", "v", 2, "second"), MemberProcess("p-0", "second"), None),
        (Member("p-0", "a:1", "v", 2, "second"), MemberProcess("p-0", "first"), "another process"),
        (Member("p-0", "a:1", "v", 2, "second"), MemberProcess("p-0", ""), "another process"),
        (Member("p-0", "a:1", "v", 2, "second"), MemberProcess("p-1", "second"), "not p-1"),
        (Member("p-0", "a:1", "v", 2, "second"), None, "does not name its process"),
        (Member("p-0", "a:1", "v", 2), None, None),
        (Member("p-7", "a:1", "v", 2, "second"), MemberProcess("p-0", "second"), "another process"),
    ],
)
def test_only_the_process_that_registered_last_acts_for_its_member(known, process, reason):
    view = ClusterView()
    view.apply(ClusterChange(0, "c", is_snapshot=True, members=[known]))
    refusal = process_refusal(view, "p-0", process)
    assert refusal is None if reason is None else reason in refusal


def test_a_gateway_is_refused_if_a_live_gateway_at_other_addresses_has_its_node_id():
    live = Gateway(4, (Endpoint("INTERNAL", "one", 9092),), "rack")
    assert gateway_refusal(live, Gateway(4, live.endpoints, "another")) is None
    assert gateway_refusal(live, Gateway(4, (Endpoint("INTERNAL", "two", 9092),))) == (
        "node id 4 is taken by gateway 4 (one:9092): gateway 4 (two:9092) needs another node.id"
    )
