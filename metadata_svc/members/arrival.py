"""Changes of the cluster when a partition service registers: pure decisions."""

from collections.abc import Collection
from dataclasses import replace

from common.cluster.view import ClusterView
from common.ports.metadata import Member, Placement, PlacementChange, VolumeState
from common.ports.moves import RingState
from metadata_svc.members.admission import is_same_process, succession_problem
from metadata_svc.moves import phases
from metadata_svc.state.member_table import MemberTable
from metadata_svc.state.mutation import Mutation


def member_arrival(
    view: ClusterView,
    member_table: MemberTable,
    member: Member,
    *,
    live: Collection[str],
    joins: bool,
) -> Mutation:
    """Returns the mutation for the registration of an admitted member.

    `live` are the identities of all live processes including this one. With `joins` a member that
    was unknown before joins the ring at once.
    """
    name, volume = member.name, member.volume or VolumeState()
    is_new = view.member(name) is None
    epochs = _new_epochs(view, member_table, member)
    return Mutation(
        members=[replace(member, volume=None)],
        live=live,
        placements=epochs.placements,
        ended_moves=epochs.ended_moves,
        ring_states={name: RingState.JOINED if joins else RingState.OUTSIDE} if is_new else {},
        is_rebalancing=True if is_new and joins and view.topics else None,
        volume_tokens={name: _token(view, member_table, member)},
        accepted_volumes={name: False} if name in member_table.accepted_volumes else {},
        next_move_id=volume.move_id + 1 if volume.move_id >= member_table.next_move_id else None,
        revision_min=max(0, volume.applied_revision),
    )


def is_known(view: ClusterView, member_table: MemberTable, member: Member) -> bool:
    """True if a registration changes nothing except that the member is alive."""
    volume = member.volume or VolumeState()
    return (
        view.member(member.name) == replace(member, volume=None)
        and member_table.volume_tokens.get(member.name, "") == _token(view, member_table, member)
        and member.name not in member_table.accepted_volumes
        and not volume.may_lack_records
    )


def _token(view: ClusterView, member_table: MemberTable, member: Member) -> str:
    """Returns the token to record; empty for a release without tokens, so none is expected."""
    tokens = member.volume.tokens if member.volume is not None else ()
    recorded = member_table.volume_tokens.get(member.name, "")
    if is_same_process(view, member) and recorded and recorded not in tokens:
        return recorded
    return tokens[-1] if tokens else ""


def _new_epochs(view: ClusterView, member_table: MemberTable, member: Member) -> Mutation:
    """Returns new leader epochs for the partitions of a member that may lack records.

    Offsets assigned a second time then belong to another epoch, so clients that check epochs
    (KIP-320) detect that the log was truncated.
    """
    name, volume = member.name, member.volume or VolumeState()
    token = member_table.volume_tokens.get(name)
    is_other = succession_problem(view, member, token=token) is not None
    if not is_other and not volume.may_lack_records:
        return Mutation()
    # The target's copy of a moving log is durable at each step, but in an older volume it may
    # belong to a move that has ended. Moves from this member are for the old leader epoch.
    ended = [
        move
        for move in view.moves
        if phases.is_open(move) and (move.source == name or (is_other and move.target == name))
    ]
    rolled_back = phases.roll_back(view, ended)
    placements = {(topic_id, index): new for topic_id, index, new in rolled_back.placements}
    placements |= {
        key: Placement(name, _after(view, key, volume.leader_epoch))
        for key in view.partitions_of(name)
    }
    return Mutation(
        placements=[PlacementChange(*key, placement) for key, placement in placements.items()],
        ended_moves=rolled_back.ended_moves,
    )


def _after(view: ClusterView, key: tuple[bytes, int], leader_epoch: int) -> int:
    placement = view.placement(*key)
    assert placement is not None
    return max(placement.leader_epoch, leader_epoch) + 1
