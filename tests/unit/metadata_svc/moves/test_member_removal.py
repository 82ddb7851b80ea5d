import pytest

from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Member, Placement, PlacementChange, Topic
from common.ports.moves import Move, MovePhase
from metadata_svc.moves.member_removal import removal

TOPIC = bytes(16)


def view(*owners, moves=()):
    """Returns a view of one topic; `owners[n]` owns partition n, in leader epoch n."""
    cluster = ClusterView()
    cluster.apply(
        ClusterChange(
            0,
            "c",
            is_snapshot=True,
            topics=[Topic(TOPIC, "t", tuple(map(Placement, owners, range(len(owners)))))],
            members=[Member(name, f"{name}:1", f"volume of {name}") for name in "abc"],
            moves=moves,
        )
    )
    return cluster


def move(partition, source, target, phase, leader_epoch=None):
    epoch = partition if leader_epoch is None else leader_epoch
    return Move(partition + 10, TOPIC, partition, source, target, epoch, phase)


def remove_a(cluster, *, new_owners=("b", "c")):
    """Removes "a"; returns the placements by partition, the moves that end, and the change."""
    change = removal(
        cluster, "a", cluster.partitions_of("a"), new_owners=new_owners, loads={"b": 1, "c": 1}
    )
    assert change.removed_members == ["a"]
    return (
        {placed.partition: placed.placement for placed in change.placements},
        change.ended_moves,
        change,
    )


def test_partitions_of_a_removed_member_are_listed_by_topic():
    assert view("a", "b", "a").partitions_of("a") == [(TOPIC, 0), (TOPIC, 2)]
    assert view("b").partitions_of("a") == []


def test_all_partitions_of_a_removed_member_go_to_live_members_in_their_next_epoch():
    placements, _, change = remove_a(view(*"abacaa"))
    assert sorted(placements) == [0, 2, 4, 5]
    assert {placement.owner for placement in placements.values()} == {"b", "c"}
    assert [placement.leader_epoch for _, placement in sorted(placements.items())] == [1, 3, 5, 6]
    assert change.lost_volumes == {"volume of a": "a"}
    assert change.is_rebalancing


def test_a_removed_member_without_partitions_may_return_with_its_volume():
    placements, ended_moves, change = remove_a(view("b", "c"))
    assert (placements, ended_moves, change.lost_volumes) == ({}, [], {})


@pytest.mark.parametrize("phase", [MovePhase.PREPARE, MovePhase.CATCH_UP, MovePhase.FENCE])
def test_a_moving_partition_of_a_removed_source_goes_to_its_live_target(phase):
    for target in "bc":
        cluster = view("a", moves=[move(0, "a", target, phase)])
        placements, ended_moves, _ = remove_a(cluster)
        assert placements == {0: Placement(target, 1)}
        assert ended_moves == [10]


def test_a_moving_partition_of_a_removed_source_does_not_go_to_a_target_that_may_not_own_it():
    cluster = view("a", moves=[move(0, "a", "b", MovePhase.FENCE)])
    placements, ended_moves, _ = remove_a(cluster, new_owners=["c"])
    assert (placements, ended_moves) == ({0: Placement("c", 1)}, [10])


@pytest.mark.parametrize(
    ("phase", "placements"),
    [
        (MovePhase.PREPARE, {}),
        (MovePhase.CATCH_UP, {}),
        (MovePhase.FENCE, {0: Placement("b", 1)}),
    ],
)
def test_a_move_to_a_removed_member_is_rolled_back(phase, placements):
    cluster = view("b", moves=[move(0, "b", "a", phase)])
    actual, ended_moves, change = remove_a(cluster)
    assert (actual, ended_moves, change.lost_volumes) == (placements, [10], {})


def test_a_committed_move_to_a_removed_member_stays_for_its_source():
    """The source still deletes its copy; the partition is lost and gets a new owner."""
    cluster = view("b", "a", moves=[move(1, "b", "a", MovePhase.COMMIT, leader_epoch=0)])
    placements, ended_moves, _ = remove_a(cluster, new_owners=["c"])
    assert (placements, ended_moves) == ({1: Placement("c", 2)}, [])


def test_a_committed_move_from_a_removed_source_ends():
    cluster = view("b", moves=[move(0, "a", "b", MovePhase.COMMIT, leader_epoch=0)])
    placements, ended_moves, _ = remove_a(cluster)
    assert (placements, ended_moves) == ({}, [10])


def test_the_view_applies_the_change_of_a_removal():
    cluster = view("a", "a", "b", moves=[move(0, "a", "b", MovePhase.PREPARE)])
    _, _, change = remove_a(cluster)
    cluster.apply(change.as_change(revision=1, cluster_id="c"))
    assert cluster.member("a") is None
    assert cluster.moves == ()
    assert all(isinstance(placed, PlacementChange) for placed in change.placements)
    assert "a" not in {placement.owner for placement in cluster.topic_by_id(TOPIC).partitions}
