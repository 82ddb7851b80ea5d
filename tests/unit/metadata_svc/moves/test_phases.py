from dataclasses import replace

import pytest

from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Placement, PlacementChange, Topic
from common.ports.moves import Move, MovePhase
from metadata_svc.moves import phases
from metadata_svc.moves.phases import MoveEvent
from metadata_svc.moves.plan import PlannedMove

TOPIC = Topic(bytes(16), "t", (Placement("a", 0), Placement("a", 7)))
MOVE = Move(5, TOPIC.topic_id, 1, "a", "b", 7, MovePhase.PREPARE)


def in_phase(phase):
    return replace(MOVE, phase=phase)


def view_with(*moves):
    view = ClusterView()
    view.apply(ClusterChange(0, "c", is_snapshot=True, topics=[TOPIC], moves=moves))
    return view


def placement_change(owner, leader_epoch):
    return PlacementChange(TOPIC.topic_id, 1, Placement(owner, leader_epoch))


def test_moves_begin_with_the_epoch_of_their_partition_and_new_ids():
    planned = [PlannedMove(TOPIC.topic_id, 1, "a", "b"), PlannedMove(TOPIC.topic_id, 0, "a", "c")]
    mutation = phases.begin(view_with(), planned, next_move_id=5)
    assert mutation.moves == [MOVE, Move(6, TOPIC.topic_id, 0, "a", "c", 0, MovePhase.PREPARE)]
    assert mutation.next_move_id == 7
    assert mutation.placements == ()


@pytest.mark.parametrize("phase", [MovePhase.CATCH_UP, MovePhase.FENCE])
def test_a_step_before_the_commit_changes_the_move_alone(phase):
    mutation = phases.advance(view_with(MOVE), MOVE, phase)
    assert mutation.moves == [in_phase(phase)]
    assert not mutation.placements


def test_a_commit_changes_owner_and_epoch_together():
    fenced = in_phase(MovePhase.FENCE)
    mutation = phases.advance(view_with(fenced), fenced, MovePhase.COMMIT)
    assert mutation.moves == [in_phase(MovePhase.COMMIT)]
    assert mutation.placements == [placement_change("b", 8)]


@pytest.mark.parametrize("phase", [MovePhase.PREPARE, MovePhase.CATCH_UP])
def test_a_move_that_is_not_fenced_cannot_be_committed(phase):
    move = in_phase(phase)
    assert phases.advance(view_with(move), move, MovePhase.COMMIT) is None


@pytest.mark.parametrize("phase", MovePhase)
@pytest.mark.parametrize("requested", MovePhase)
def test_a_move_advances_only_along_the_table(phase, requested):
    move = in_phase(phase)
    mutation = phases.advance(view_with(move), move, requested)
    reached = phase if mutation is None else mutation.moves[0].phase
    can_advance = (phase, requested) in {
        (MovePhase.PREPARE, MovePhase.CATCH_UP),
        (MovePhase.PREPARE, MovePhase.FENCE),
        (MovePhase.CATCH_UP, MovePhase.FENCE),
        (MovePhase.FENCE, MovePhase.COMMIT),
    }
    assert reached is (requested if can_advance else phase)


#: Phase and placement after each event; "deleted" if the record is deleted. Spelled out here so
#: that a change of the table shows here.
EXPECTED = {
    MovePhase.PREPARE: {
        MoveEvent.BULK_COPIED: (MovePhase.CATCH_UP, None),
        MoveEvent.FENCE_REQUESTED: (MovePhase.FENCE, None),
        MoveEvent.ROLLED_BACK: ("deleted", None),
        MoveEvent.SOURCE_REMOVED: ("deleted", None),
        MoveEvent.TOPIC_DELETED: ("deleted", None),
    },
    MovePhase.CATCH_UP: {
        MoveEvent.FENCE_REQUESTED: (MovePhase.FENCE, None),
        MoveEvent.ROLLED_BACK: ("deleted", None),
        MoveEvent.SOURCE_REMOVED: ("deleted", None),
        MoveEvent.TOPIC_DELETED: ("deleted", None),
    },
    MovePhase.FENCE: {
        MoveEvent.COPY_COMPLETED: (MovePhase.COMMIT, Placement("b", 8)),
        MoveEvent.ROLLED_BACK: ("deleted", Placement("a", 8)),
        MoveEvent.SOURCE_REMOVED: ("deleted", None),
        MoveEvent.TOPIC_DELETED: ("deleted", None),
    },
    MovePhase.COMMIT: {
        MoveEvent.SOURCE_CLEANED: ("deleted", None),
        MoveEvent.SOURCE_REMOVED: ("deleted", None),
        MoveEvent.TOPIC_DELETED: ("deleted", None),
    },
}


@pytest.mark.parametrize("event", MoveEvent)
@pytest.mark.parametrize("phase", MovePhase)
def test_every_event_in_every_phase_writes_the_changes_of_the_table(phase, event):
    move = in_phase(phase)
    if event not in EXPECTED[phase]:
        assert not phases.is_allowed(move, event)
        with pytest.raises(AssertionError):
            phases.apply(view_with(move), [move], event)
        return
    next_phase, placement = EXPECTED[phase][event]
    mutation = phases.apply(view_with(move), [move], event)
    is_deleted = next_phase == "deleted"
    assert mutation.moves == ([] if is_deleted else [in_phase(next_phase)])
    assert mutation.ended_moves == ([5] if is_deleted else [])
    changes = [] if placement is None else [PlacementChange(TOPIC.topic_id, 1, placement)]
    assert mutation.placements == changes


def test_a_rollback_before_the_fence_changes_no_placement():
    moves = [MOVE, replace(MOVE, move_id=6, partition=0, phase=MovePhase.CATCH_UP)]
    mutation = phases.roll_back(view_with(*moves), moves)
    assert mutation.ended_moves == [5, 6]
    assert mutation.placements == []


def test_a_rollback_from_the_fence_raises_the_leader_epoch():
    fenced = in_phase(MovePhase.FENCE)
    mutation = phases.roll_back(view_with(fenced), [fenced])
    assert mutation.ended_moves == [5]
    assert mutation.placements == [placement_change("a", 8)]


def test_a_committed_move_cannot_be_rolled_back():
    committed = in_phase(MovePhase.COMMIT)
    with pytest.raises(AssertionError):
        phases.roll_back(view_with(committed), [committed])
    assert [phases.is_open(in_phase(phase)) for phase in MovePhase] == [True, True, True, False]
