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


def asked(member, *, known=KNOWN, owned=3):
    view = ClusterView()
    view.apply(ClusterChange(0, "c", is_snapshot=True, members=[known]))
    return refusal(view, member, owned=owned)


@pytest.mark.parametrize(
    "member",
    [
        KNOWN,
        Member("p-0", "elsewhere:1", "volume-0", 6),
        Member("p-1", "a:1", "volume-1", 1),
        Member("p-1", "a:1"),
    ],
)
def test_a_member_with_its_own_volume_may_register(member):
    assert asked(member) is None


@pytest.mark.parametrize(
    ("member", "why"),
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
def test_a_member_that_would_lose_data_is_refused_with_the_reason(member, why):
    assert why in asked(member)


def test_a_member_without_partitions_may_bring_another_volume():
    assert asked(Member("p-0", "a:1", "volume-1", 1), owned=0) is None
    assert "the volume of p-0" in asked(Member("p-1", "b:1", "volume-0", 6), owned=0)


def test_a_member_that_never_named_its_volume_may_name_it():
    assert asked(Member("p-0", "a:1", "volume-0", 1), known=Member("p-0", "a:1")) is None


@pytest.mark.parametrize("name", ["p-0", "p-1", "p-7"])
def test_a_volume_that_was_given_up_for_lost_never_comes_back(name):
    view = ClusterView()
    view.apply(ClusterChange(0, "c", is_snapshot=True, members=[KNOWN]))
    lost = {"volume-7": "p-7"}
    why = refusal(view, Member(name, "a:1", "volume-7", 9), owned=0, lost_volumes=lost)
    assert "given up for lost when p-7 was removed" in why
    assert refusal(view, Member("p-7", "a:1", "volume-8"), owned=0, lost_volumes=lost) is None
    # An older release, of which nothing is known, is none of them.
    assert refusal(view, Member("p-7", "a:1"), owned=0, lost_volumes=lost) is None


def volume(*tokens, revision=-1):
    return VolumeState(tokens, revision)


def registering(state, *, incarnation=6, volume_id="volume-0"):
    return Member("p-0", "a:1", volume_id, incarnation, "opening", state)


@pytest.mark.parametrize(
    ("member", "token", "why"),
    [
        # The process goes on from the token that is known, wherever a crash left the two sides.
        (registering(volume("known", "new")), "known", None),
        (registering(volume("older", "known", "new")), "known", None),
        (registering(volume("older", "known")), "known", None),
        # A copy of an earlier state, opened as often as the original or more often.
        (registering(volume("older", "new"), incarnation=5), "known", "older copy"),
        (registering(volume("older", "new"), incarnation=50), "known", "older copy"),
        (
            registering(volume("known", "new"), incarnation=4),
            "known",
            "a later process has replaced it",
        ),
        # Nothing was recorded: the release before counted openings only.
        (registering(volume("new")), None, None),
        (registering(volume("new")), "", None),
        (registering(volume("new"), incarnation=4), None, "a later process has replaced it"),
        # A release without tokens has the volume again.
        (registering(None), "known", None),
        # A member that owns nothing, with another volume.
        (registering(volume("new"), volume_id="volume-1"), "known", None),
        (registering(volume("known", "new", revision=10)), "known", None),
        (
            registering(volume("known", "new", revision=11)),
            "known",
            "restored from an older backup",
        ),
        (registering(volume("new", revision=11), volume_id="v"), "", "restored from an older"),
    ],
)
def test_only_the_successor_of_the_volume_that_is_known_continues_it(member, token, why):
    view = ClusterView()
    view.apply(ClusterChange(10, "c", is_snapshot=True, members=[KNOWN]))
    problem = succession_problem(view, member, token=token)
    assert problem is None if why is None else why in problem
    if why is not None:
        assert "ringlog ring accept p-0" in problem


@pytest.mark.parametrize(
    ("known", "process", "why"),
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
def test_only_the_process_that_registered_last_acts_for_its_member(known, process, why):
    view = ClusterView()
    view.apply(ClusterChange(0, "c", is_snapshot=True, members=[known]))
    reason = process_refusal(view, "p-0", process)
    assert reason is None if why is None else why in reason


def test_a_node_id_belongs_to_the_addresses_of_the_gateway_that_lives():
    live = Gateway(4, (Endpoint("INTERNAL", "one", 9092),), "rack")
    assert gateway_refusal(live, Gateway(4, live.endpoints, "another")) is None
    assert gateway_refusal(live, Gateway(4, (Endpoint("INTERNAL", "two", 9092),))) == (
        "node id 4 is taken by gateway 4 (one:9092): gateway 4 (two:9092) needs another node.id"
    )
