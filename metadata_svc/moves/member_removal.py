"""Removal of a member: its moves end and its lost partitions get new owners. Pure decisions.

A drained member leaves only moves. A lost member leaves partitions whose records are gone with its
volume: they are recreated empty on live members, each with its next leader epoch. So requests with
the old epoch are rejected, and clients that check epochs (KIP-320) detect that their offsets belong
to an earlier log. In Kafka too offsets restart at 0 if a partition loses every replica.
"""

from collections.abc import Collection, Mapping, Sequence

from common.cluster.view import ClusterView
from common.ports.metadata import Placement, PlacementChange
from metadata_svc.moves import phases
from metadata_svc.moves.plan import PartitionKey, moves_to
from metadata_svc.state.mutation import Mutation
from metadata_svc.topics.placement import owners_of


def removal(
    view: ClusterView,
    name: str,
    lost: Sequence[PartitionKey],
    *,
    new_owners: Collection[str],
    loads: Mapping[str, int],
) -> Mutation:
    """Returns the mutation that removes a dead member.

    Args:
        view: the cluster, including the member.
        name: the member.
        lost: the partitions that it owns; all of them get another owner.
        new_owners: members that may own partitions; at least one if `lost` is not empty.
        loads: the number of partitions that each member owns now.
    """
    member = view.member(name)
    assert member is not None
    rolled_back = phases.roll_back(view, moves_to(view, name))
    # Moves from this member end: its copies are unreachable. A committed move to it stays recorded
    # until the source has deleted its copy.
    outgoing = [move for move in view.moves if move.source == name]
    ended = phases.apply(view, outgoing, phases.MoveEvent.SOURCE_REMOVED)
    return Mutation(
        removed_members=[name],
        ended_moves=[*rolled_back.ended_moves, *ended.ended_moves],
        placements=[*rolled_back.placements, *_recreated(view, lost, new_owners, loads)],
        lost_volumes={member.volume_id: name} if lost and member.volume_id else {},
        is_rebalancing=True if view.topics else None,
    )


def _recreated(
    view: ClusterView,
    lost: Sequence[PartitionKey],
    new_owners: Collection[str],
    loads: Mapping[str, int],
) -> list[PlacementChange]:
    if not lost:
        return []
    owners = owners_of(lost, new_owners, loads)
    return [
        PlacementChange(
            *key, Placement(_move_target(view, key, new_owners) or owner, _next_epoch(view, key))
        )
        for key, owner in zip(lost, owners, strict=True)
    ]


def _move_target(view: ClusterView, key: PartitionKey, new_owners: Collection[str]) -> str | None:
    """Returns the target of the partition's move, or None if it is not moving to a new owner.

    If the target's copy is complete, no record is lost. It deletes an incomplete copy, since a part
    of a log must not be served as the whole log.
    """
    move = view.move_of(*key)
    return move.target if move is not None and move.target in new_owners else None


def _next_epoch(view: ClusterView, key: PartitionKey) -> int:
    placement = view.placement(*key)
    assert placement is not None
    return placement.leader_epoch + 1
