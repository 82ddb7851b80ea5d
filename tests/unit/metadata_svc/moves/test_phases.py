from dataclasses import replace

import pytest

from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Placement, PlacementChange, Topic
from common.ports.moves import Move, MovePhase
from metadata_svc.moves import phases
from metadata_svc.moves.plan import PlannedMove

TOPIC = Topic(bytes(16), "t", (Placement("a", 0), Placement("a", 7)))
MOVE = Move(5, TOPIC.topic_id, 1, "a", "b", 7, MovePhase.PREPARE)


def in_phase(phase):
    return replace(MOVE, phase=phase)


def view_with(*moves):
    view = ClusterView()
    view.apply(ClusterChange(0, "c", is_snapshot=True, topics=[TOPIC], moves=moves))
    return view


def placed(owner, leader_epoch):
    return PlacementChange(TOPIC.topic_id, 1, Placement(owner, leader_epoch))


def test_moves_begin_with_the_epoch_of_their_partition_and_ids_of_their_own():
    wishes = [PlannedMove(TOPIC.topic_id, 1, "a", "b"), PlannedMove(TOPIC.topic_id, 0, "a", "c")]
    begun = phases.begin(view_with(), wishes, next_move_id=5)
    assert begun.moves == [MOVE, Move(6, TOPIC.topic_id, 0, "a", "c", 0, MovePhase.PREPARE)]
    assert begun.next_move_id == 7
    assert begun.placements == ()


@pytest.mark.parametrize("phase", [MovePhase.CATCH_UP, MovePhase.FENCE])
def test_a_step_before_the_commit_changes_the_move_alone(phase):
    mutation = phases.advance(view_with(MOVE), MOVE, phase)
    assert mutation.moves == [in_phase(phase)]
    assert mutation.placements == ()


def test_a_commit_changes_owner_and_epoch_together():
    fenced = in_phase(MovePhase.FENCE)
    mutation = phases.advance(view_with(fenced), fenced, MovePhase.COMMIT)
    assert mutation.moves == [in_phase(MovePhase.COMMIT)]
    assert mutation.placements == [placed("b", 8)]


@pytest.mark.parametrize("phase", [MovePhase.PREPARE, MovePhase.CATCH_UP])
def test_what_is_not_fenced_is_not_committed(phase):
    move = in_phase(phase)
    assert phases.advance(view_with(move), move, MovePhase.COMMIT) is None


@pytest.mark.parametrize("now", MovePhase)
@pytest.mark.parametrize("asked", MovePhase)
def test_nothing_goes_back_nor_happens_twice(now, asked):
    move = in_phase(now)
    if asked <= now:
        assert phases.advance(view_with(move), move, asked) is None


def test_what_is_given_up_before_its_fence_changes_no_placement():
    moves = [MOVE, replace(MOVE, move_id=6, partition=0, phase=MovePhase.CATCH_UP)]
    mutation = phases.roll_back(view_with(*moves), moves)
    assert mutation.moves_gone == [5, 6]
    assert mutation.placements == []


def test_what_is_given_up_behind_its_fence_stays_under_a_higher_epoch():
    fenced = in_phase(MovePhase.FENCE)
    mutation = phases.roll_back(view_with(fenced), [fenced])
    assert mutation.moves_gone == [5]
    assert mutation.placements == [placed("a", 8)]


def test_what_is_committed_is_not_given_up():
    committed = in_phase(MovePhase.COMMIT)
    with pytest.raises(AssertionError):
        phases.roll_back(view_with(committed), [committed])
    assert [phases.is_open(in_phase(phase)) for phase in MovePhase] == [True, True, True, False]
