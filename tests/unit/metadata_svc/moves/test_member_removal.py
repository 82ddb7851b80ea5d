import pytest

from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Member, Placement, PlacementChange, Topic
from common.ports.moves import Move, MovePhase
from metadata_svc.moves.member_removal import removal

TOPIC = bytes(16)


def view(*owners, moves=()):
    """Partition n of a topic is `owners[n]`'s, in leader epoch n."""
    known = ClusterView()
    known.apply(
        ClusterChange(
            0,
            "c",
            is_snapshot=True,
            topics=[Topic(TOPIC, "t", tuple(map(Placement, owners, range(len(owners)))))],
            members=[Member(name, f"{name}:1", f"volume of {name}") for name in "abc"],
            moves=moves,
        )
    )
    return known


def move(partition, source, target, phase, leader_epoch=None):
    epoch = partition if leader_epoch is None else leader_epoch
    return Move(partition + 10, TOPIC, partition, source, target, epoch, phase)


def removed(known, *, new_owners=("b", "c")):
    """What changes when "a" is removed: placements by partition, and moves that end."""
    change = removal(
        known, "a", known.partitions_of("a"), new_owners=new_owners, loads={"b": 1, "c": 1}
    )
    assert change.members_gone == ["a"]
    return {one.partition: one.placement for one in change.placements}, change.moves_gone, change


def test_partitions_of_a_removed_member_are_listed_by_topic():
    assert view("a", "b", "a").partitions_of("a") == [(TOPIC, 0), (TOPIC, 2)]
    assert view("b").partitions_of("a") == []


def test_everything_goes_to_members_that_live_each_in_its_next_epoch():
    placements, _, change = removed(view(*"abacaa"))
    assert sorted(placements) == [0, 2, 4, 5]
    assert {one.owner for one in placements.values()} == {"b", "c"}
    assert [one.leader_epoch for _, one in sorted(placements.items())] == [1, 3, 5, 6]
    assert change.lost_volumes == {"volume of a": "a"}
    assert change.is_rebalancing


def test_a_removed_member_without_partitions_may_return_with_its_volume():
    placements, moves_gone, change = removed(view("b", "c"))
    assert (placements, moves_gone, change.lost_volumes) == ({}, [], {})


@pytest.mark.parametrize("phase", [MovePhase.PREPARE, MovePhase.CATCH_UP, MovePhase.FENCE])
def test_a_moving_partition_of_a_removed_source_goes_to_its_live_target(phase):
    for target in "bc":
        known = view("a", moves=[move(0, "a", target, phase)])
        placements, moves_gone, _ = removed(known)
        assert placements == {0: Placement(target, 1)}
        assert moves_gone == [10]


def test_a_target_that_may_not_own_it_does_not_get_it():
    known = view("a", moves=[move(0, "a", "b", MovePhase.FENCE)])
    placements, moves_gone, _ = removed(known, new_owners=["c"])
    assert (placements, moves_gone) == ({0: Placement("c", 1)}, [10])


@pytest.mark.parametrize(
    ("phase", "placements"),
    [
        (MovePhase.PREPARE, {}),
        (MovePhase.CATCH_UP, {}),
        (MovePhase.FENCE, {0: Placement("b", 1)}),
    ],
)
def test_a_move_to_a_removed_member_is_rolled_back(phase, placements):
    known = view("b", moves=[move(0, "b", "a", phase)])
    found, moves_gone, change = removed(known)
    assert (found, moves_gone, change.lost_volumes) == (placements, [10], {})


def test_a_source_still_deletes_what_it_had_handed_over_to_it():
    """So the record stays; the partition is one that is lost."""
    known = view("b", "a", moves=[move(1, "b", "a", MovePhase.COMMIT, leader_epoch=0)])
    placements, moves_gone, _ = removed(known, new_owners=["c"])
    assert (placements, moves_gone) == ({1: Placement("c", 2)}, [])


def test_a_committed_move_from_a_removed_source_ends():
    known = view("b", moves=[move(0, "a", "b", MovePhase.COMMIT, leader_epoch=0)])
    placements, moves_gone, _ = removed(known)
    assert (placements, moves_gone) == ({}, [10])


def test_the_view_takes_what_was_decided():
    known = view("a", "a", "b", moves=[move(0, "a", "b", MovePhase.PREPARE)])
    _, _, change = removed(known)
    known.apply(change.as_change(revision=1, cluster_id="c"))
    assert known.member("a") is None
    assert known.moves == ()
    assert all(isinstance(one, PlacementChange) for one in change.placements)
    assert "a" not in {one.owner for one in known.topic_by_id(TOPIC).partitions}
