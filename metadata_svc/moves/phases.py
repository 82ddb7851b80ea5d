"""The steps of a move, as changes to be made: pure decisions, nothing is stored or told here.

The laws, whoever crashes and however often a step is asked for again:

* Owner and leader epoch of a partition change together, in one write, and the epoch by one.
* COMMIT comes from FENCE only: the target has every record then, and the source takes no more.
* Where a fence may have been asked for, giving up raises the epoch. A fence holds up to the epoch
  of its move, so it is lifted by that, and one that comes late does not hold.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from common.cluster.view import ClusterView
from common.ports.metadata import Placement, PlacementChange
from common.ports.moves import Move, MovePhase
from metadata_svc.moves.plan import PlannedMove
from metadata_svc.state.mutation import Mutation


def begin(view: ClusterView, wishes: Sequence[PlannedMove], *, next_move_id: int) -> Mutation:
    """Records a move for each planned. Its partition exists, is the source's, and is in no move."""
    return Mutation(
        moves=[
            Move(
                move_id=next_move_id + number,
                topic_id=planned.topic_id,
                partition=planned.partition,
                source=planned.source,
                target=planned.target,
                leader_epoch=_placement(view, planned).leader_epoch,
                phase=MovePhase.PREPARE,
            )
            for number, planned in enumerate(wishes)
        ],
        next_move_id=next_move_id + len(wishes),
    )


def advance(view: ClusterView, move: Move, phase: MovePhase) -> Mutation | None:
    """Brings a recorded move to `phase`; None: it is there or further, or cannot come there now."""
    if phase <= move.phase:
        return None
    if phase is not MovePhase.COMMIT:
        return Mutation(moves=[replace(move, phase=phase)])
    if move.phase is not MovePhase.FENCE:
        return None
    return Mutation(
        moves=[replace(move, phase=phase)], placements=[_handed_to(view, move, move.target)]
    )


def roll_back(view: ClusterView, moves: Iterable[Move]) -> Mutation:
    """Ends moves of which none is committed; their partitions stay where they are."""
    given_up = list(moves)
    assert all(is_open(move) for move in given_up)
    return Mutation(
        moves_gone=[move.move_id for move in given_up],
        placements=[
            _handed_to(view, move, move.source)
            for move in given_up
            if move.phase is MovePhase.FENCE
        ],
    )


def is_open(move: Move) -> bool:
    """Whether a move may still be given up."""
    return move.phase < MovePhase.COMMIT


def _handed_to(view: ClusterView, move: Move, owner: str) -> PlacementChange:
    placement = Placement(owner, _placement(view, move).leader_epoch + 1)
    return PlacementChange(move.topic_id, move.partition, placement)


def _placement(view: ClusterView, what: Move | PlannedMove) -> Placement:
    placement = view.placement(what.topic_id, what.partition)
    assert placement is not None
    return placement
