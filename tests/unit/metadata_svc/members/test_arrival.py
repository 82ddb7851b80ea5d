from dataclasses import replace

import pytest

from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Member, Placement, Topic, VolumeState
from common.ports.moves import Move, MovePhase, RingState
from metadata_svc.members.arrival import is_known, member_arrival
from metadata_svc.state.member_table import MemberTable
from metadata_svc.state.mutation import Mutation

TOPIC = bytes(16)
KNOWN = Member("a", "a:1", "volume", 3, "before")
TOKEN = "known"


def member(*tokens, incarnation=4, **volume_state):
    volume = VolumeState(tokens or (TOKEN, "new"), **volume_state)
    return Member("a", "a:1", "volume", incarnation, "now", volume)


def cluster(*owners, moves=()):
    """Returns a view and a member table; `owners[n]` owns partition n, in leader epoch n."""
    view, member_table = ClusterView(), MemberTable()
    view.apply(
        ClusterChange(
            10,
            "c",
            is_snapshot=True,
            topics=[Topic(TOPIC, "t", tuple(map(Placement, owners, range(len(owners)))))],
            members=[KNOWN],
            moves=moves,
        )
    )
    member_table.volume_tokens["a"] = TOKEN
    return view, member_table


def move(partition, source, target, phase):
    return Move(partition + 10, TOPIC, partition, source, target, partition, phase)


def arrival(state, registering):
    change = member_arrival(*state, registering, live={"member/a"}, joins=True)
    assert change.members == [Member("a", "a:1", "volume", registering.incarnation, "now")]
    return change


def placements(change):
    return {placed.partition: placed.placement for placed in change.placements}


def test_a_process_that_continues_its_volume_keeps_its_epochs_and_moves():
    state = cluster("a", "b", moves=[move(0, "a", "b", MovePhase.FENCE)])
    change = arrival(state, member())
    assert (placements(change), list(change.ended_moves)) == ({}, [])
    assert change.volume_tokens == {"a": "new"}
    assert (change.ring_states, change.accepted_volumes) == ({}, {})


def test_every_partition_begins_a_new_epoch_in_the_same_write_after_a_power_loss():
    state = cluster("a", "b", "a")
    change = arrival(state, member(may_lack_records=True))
    assert placements(change) == {0: Placement("a", 1), 2: Placement("a", 3)}


def test_moves_from_a_member_end_and_moves_to_it_continue_after_a_power_loss():
    moves = [move(0, "a", "b", MovePhase.FENCE), move(1, "b", "a", MovePhase.FENCE)]
    change = arrival(cluster("a", "b", moves=moves), member(may_lack_records=True))
    assert placements(change) == {0: Placement("a", 1)}
    assert change.ended_moves == [10]


def test_an_accepted_older_volume_gets_epochs_above_all_that_were_published():
    moves = [
        move(0, "a", "b", MovePhase.PREPARE),
        move(1, "b", "a", MovePhase.FENCE),
        move(2, "b", "a", MovePhase.CATCH_UP),
        move(3, "b", "a", MovePhase.COMMIT),
    ]
    state = cluster("a", "b", "b", "a", moves=moves)
    state[1].accepted_volumes.add("a")
    change = arrival(state, member("older", "new", leader_epoch=7))
    assert placements(change) == {0: Placement("a", 8), 1: Placement("b", 2), 3: Placement("a", 8)}
    assert change.ended_moves == [10, 11, 12]
    assert change.accepted_volumes == {"a": False}
    assert change.volume_tokens == {"a": "new"}


def test_an_acceptance_ends_with_the_next_registration_even_if_it_was_not_needed():
    state = cluster("a")
    state[1].accepted_volumes.add("a")
    change = arrival(state, member())
    assert (placements(change), change.accepted_volumes) == ({}, {"a": False})


def test_revisions_and_move_ids_continue_after_those_of_the_volume():
    state = cluster("a")
    state[1].next_move_id = 5
    change = arrival(state, member(applied_revision=99, move_id=5))
    assert (change.revision_min, change.next_move_id) == (99, 6)
    change = arrival(state, member(applied_revision=3, move_id=4))
    assert (change.revision_min, change.next_move_id) == (3, None)


def test_an_unknown_member_joins_the_ring_or_stays_outside_as_configured():
    view, member_table = cluster("b")
    new_member = Member("c", "c:1", "another", 1, "now", VolumeState(("new",)))
    states = [
        member_arrival(view, member_table, new_member, live=(), joins=joins).ring_states
        for joins in (True, False)
    ]
    assert states == [{"c": RingState.JOINED}, {"c": RingState.OUTSIDE}]


def test_a_process_that_renewed_its_token_meanwhile_keeps_the_newer_one():
    view, member_table = cluster("a")
    registering = replace(member(TOKEN), opening_id=KNOWN.opening_id)
    member_table.volume_tokens["a"] = "renewed"
    assert member_arrival(view, member_table, registering, live=(), joins=True).volume_tokens == {
        "a": "renewed"
    }
    member_table.volume_tokens["a"] = TOKEN
    assert member_arrival(view, member_table, registering, live=(), joins=True).volume_tokens == {
        "a": TOKEN
    }


@pytest.mark.parametrize(
    ("registering", "expected"),
    [
        (member(TOKEN), True),
        (member(TOKEN, "new"), False),
        (member(TOKEN, may_lack_records=True), False),
        (member(TOKEN, incarnation=5), False),
    ],
)
def test_a_registration_is_known_only_if_it_changes_nothing(registering, expected):
    view, member_table = cluster("a")
    first = arrival((view, member_table), member(TOKEN))
    member_table.apply(first, view)
    view.apply(first.as_change(revision=11, cluster_id="c"))
    assert is_known(view, member_table, registering) is expected
    member_table.apply(Mutation(accepted_volumes={"a": True}), view)
    assert not is_known(view, member_table, registering)
