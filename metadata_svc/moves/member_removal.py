"""What becomes of partitions and moves when a member is removed: pure decisions.

A member that holds nothing leaves nothing but moves. One that is lost leaves partitions whose
records are gone with its volume: they begin anew, empty, on members that live, each under its next
leader epoch. So whoever still believes in the old owner is refused, and clients that check epochs
(KIP-320) learn that their offsets are of a log that ended; Kafka's offsets begin at 0 again, too,
where a partition lost every replica.
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
    """The end of a member that is not alive.

    Args:
        view: the cluster; the member is in it.
        name: the member.
        lost: what it owns; all of it finds another owner.
        new_owners: members that may own partitions; at least one where something is lost.
        loads: how many partitions each member owns now.
    """
    member = view.member(name)
    assert member is not None
    rolled_back = phases.roll_back(view, moves_to(view, name))
    # What it was to hand over, or to delete, is beyond reach with it. Where it was the target of a
    # committed move the record stays: by that the source deletes its copy.
    outgoing = [move for move in view.moves if move.source == name]
    ended = phases.apply(view, outgoing, phases.MoveEvent.SOURCE_REMOVED)
    return Mutation(
        members_gone=[name],
        moves_gone=[*rolled_back.moves_gone, *ended.moves_gone],
        placements=[*rolled_back.placements, *_begun_anew(view, lost, new_owners, loads)],
        lost_volumes={member.volume_id: name} if lost and member.volume_id else {},
        is_rebalancing=True if view.topics else None,
    )


def _begun_anew(
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
            *key, Placement(_heir(view, key, new_owners) or owner, _next_epoch(view, key))
        )
        for key, owner in zip(lost, owners, strict=True)
    ]


def _heir(view: ClusterView, key: PartitionKey, new_owners: Collection[str]) -> str | None:
    """The member that the partition was on its way to: the ring wants it there.

    Where its copy is whole nothing is lost; one that is not is deleted, for a part of a log must
    not pass for the log.
    """
    move = view.move_of(*key)
    return move.target if move is not None and move.target in new_owners else None


def _next_epoch(view: ClusterView, key: PartitionKey) -> int:
    placement = view.placement(*key)
    assert placement is not None
    return placement.leader_epoch + 1
