"""The state machine of a move: pure decisions, nothing is stored here.

`TRANSITIONS` has every event that may end a phase. An event that is not in it for a phase changes
nothing. The invariants, whichever process crashes and however often an event is repeated:

* Owner and leader epoch of a partition change in one write, and the epoch grows by one.
* COMMIT comes from FENCE only: then the target has every record, and the source takes no appends.
* A fence holds up to the leader epoch of its move. So a rollback from FENCE raises the epoch, which
  lifts the fence, and a fence request that arrives late has no effect.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, NamedTuple

from common.cluster.view import ClusterView
from common.ports.metadata import Placement, PlacementChange
from common.ports.moves import Move, MovePhase
from metadata_svc.moves.plan import PlannedMove
from metadata_svc.state.mutation import Mutation


class MoveEvent(Enum):
    """Events that change a recorded move, by the process that causes them.

    Only the registered process of the target, or of the source, may cause an event of its own.
    """

    #: Target: it has copied the bulk of the log.
    BULK_COPIED = auto()
    #: Target: the tail that is missing is short, so the source is to be fenced.
    FENCE_REQUESTED = auto()
    #: Target: it has every record and the state of the producers.
    COPY_COMPLETED = auto()
    #: Source: it has deleted its copy.
    SOURCE_CLEANED = auto()
    #: Metadata service: an operator cancelled the move or drains the target, the fence timed out,
    #: the target is dead, or a member returned with an older volume.
    ROLLED_BACK = auto()
    #: Metadata service: an operator removed the source, which is dead.
    SOURCE_REMOVED = auto()
    #: Metadata service: the topic was deleted.
    TOPIC_DELETED = auto()


class NewEpoch(Enum):
    """The owner of the partition under its next leader epoch."""

    SOURCE = auto()
    TARGET = auto()


class Transition(NamedTuple):
    """The write that an event causes.

    `phase` None deletes the record of the move. `new_epoch` None leaves the placement as it is.
    """

    phase: MovePhase | None
    new_epoch: NewEpoch | None = None


_DELETED: Final = Transition(None)

#: A move begins in PREPARE, when the scheduler records it.
TRANSITIONS: Final = MappingProxyType(
    {
        (MovePhase.PREPARE, MoveEvent.BULK_COPIED): Transition(MovePhase.CATCH_UP),
        (MovePhase.PREPARE, MoveEvent.FENCE_REQUESTED): Transition(MovePhase.FENCE),
        (MovePhase.PREPARE, MoveEvent.ROLLED_BACK): _DELETED,
        (MovePhase.PREPARE, MoveEvent.SOURCE_REMOVED): _DELETED,
        (MovePhase.PREPARE, MoveEvent.TOPIC_DELETED): _DELETED,
        (MovePhase.CATCH_UP, MoveEvent.FENCE_REQUESTED): Transition(MovePhase.FENCE),
        (MovePhase.CATCH_UP, MoveEvent.ROLLED_BACK): _DELETED,
        (MovePhase.CATCH_UP, MoveEvent.SOURCE_REMOVED): _DELETED,
        (MovePhase.CATCH_UP, MoveEvent.TOPIC_DELETED): _DELETED,
        (MovePhase.FENCE, MoveEvent.COPY_COMPLETED): Transition(MovePhase.COMMIT, NewEpoch.TARGET),
        (MovePhase.FENCE, MoveEvent.ROLLED_BACK): Transition(None, NewEpoch.SOURCE),
        # The removal gives every partition of the source a new owner and epoch itself.
        (MovePhase.FENCE, MoveEvent.SOURCE_REMOVED): _DELETED,
        (MovePhase.FENCE, MoveEvent.TOPIC_DELETED): _DELETED,
        (MovePhase.COMMIT, MoveEvent.SOURCE_CLEANED): _DELETED,
        (MovePhase.COMMIT, MoveEvent.SOURCE_REMOVED): _DELETED,
        (MovePhase.COMMIT, MoveEvent.TOPIC_DELETED): _DELETED,
    }
)

#: The event behind each phase that a target may ask for (`Ring.advance_move`).
_ADVANCES: Final = MappingProxyType(
    {
        MovePhase.CATCH_UP: MoveEvent.BULK_COPIED,
        MovePhase.FENCE: MoveEvent.FENCE_REQUESTED,
        MovePhase.COMMIT: MoveEvent.COPY_COMPLETED,
    }
)


def begin(view: ClusterView, planned: Sequence[PlannedMove], *, next_move_id: int) -> Mutation:
    """Records planned moves. Each partition exists, is owned by its source, and is in no move."""
    return Mutation(
        moves=[
            Move(
                move_id=next_move_id + number,
                topic_id=move.topic_id,
                partition=move.partition,
                source=move.source,
                target=move.target,
                leader_epoch=_placement(view, move).leader_epoch,
                phase=MovePhase.PREPARE,
            )
            for number, move in enumerate(planned)
        ],
        next_move_id=next_move_id + len(planned),
    )


def advance(view: ClusterView, move: Move, phase: MovePhase) -> Mutation | None:
    """Returns the write that brings a move to `phase`.

    None if the move is there already or further, or cannot come there from its phase.
    """
    event = _ADVANCES.get(phase)
    if event is None or not is_allowed(move, event):
        return None
    return apply(view, [move], event)


def roll_back(view: ClusterView, moves: Iterable[Move]) -> Mutation:
    """Ends moves that are not committed; their partitions stay with their sources."""
    return apply(view, moves, MoveEvent.ROLLED_BACK)


def apply(view: ClusterView, moves: Iterable[Move], event: MoveEvent) -> Mutation:
    """Returns the write that `event` causes to each of `moves`; all of them must allow it."""
    mutation = Mutation(
        moves=(advanced := []), ended_moves=(ended := []), placements=(placed := [])
    )
    for move in moves:
        assert is_allowed(move, event), f"{event} in phase {move.phase.name} of move {move.move_id}"
        transition = TRANSITIONS[move.phase, event]
        if transition.phase is None:
            ended.append(move.move_id)
        else:
            advanced.append(replace(move, phase=transition.phase))
        if transition.new_epoch is not None:
            owner = move.target if transition.new_epoch is NewEpoch.TARGET else move.source
            placed.append(_next_placement(view, move, owner))
    return mutation


def is_allowed(move: Move, event: MoveEvent) -> bool:
    """True if `event` changes a move in this phase."""
    return (move.phase, event) in TRANSITIONS


def is_open(move: Move) -> bool:
    """True if the move can still be rolled back."""
    return is_allowed(move, MoveEvent.ROLLED_BACK)


def _next_placement(view: ClusterView, move: Move, owner: str) -> PlacementChange:
    placement = Placement(owner, _placement(view, move).leader_epoch + 1)
    return PlacementChange(move.topic_id, move.partition, placement)


def _placement(view: ClusterView, move: Move | PlannedMove) -> Placement:
    placement = view.placement(move.topic_id, move.partition)
    assert placement is not None
    return placement
