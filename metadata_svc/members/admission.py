"""Which partition services and gateways may register: pure decisions.

A name stands for data. Somebody who comes under it with another directory does not have that data,
and whoever has the directory under another name holds it twice: both would lose it in silence.

A gateway's node id stands for its addresses: of two that answer to one id, clients would find one.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from common.cluster.view import ClusterView
from common.ports.metadata import Gateway, Member
from common.ports.moves import MemberProcess
from metadata_svc.members.registration import describe

_SEE: Final = (
    'See "Backup" in docs/operations.md; `ringlog ring accept {}` lets it in with new leader epochs'
)
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


def refusal(
    view: ClusterView, member: Member, *, owned: int, lost_volumes: Mapping[str, str] = _NONE
) -> str | None:
    """Why `member`, which owns so many partitions, may not register; None: it may.

    A refusal is for good: the same process asking again is refused again. `lost_volumes` are those
    that were given up, and whose they were.
    """
    if (former := lost_volumes.get(member.volume_id)) is not None:
        # Let in it would delete what it has, and that may be all there is of those records.
        return (
            f"{member.name} comes with volume {member.volume_id}, which was given up for lost when "
            f"{former} was removed: its partitions have begun anew; give it an empty one"
        )
    cluster_id = "" if member.volume is None else member.volume.cluster_id
    if cluster_id not in ("", view.cluster_id):
        return (
            f"the volume of {member.name} holds data of cluster {cluster_id}, not of "
            f"{view.cluster_id}: metadata.address leads to another cluster, or this metadata "
            "service has lost its volume"
        )
    known = view.member(member.name)
    if (other := _holder(view, member)) is not None:
        return (
            f"{member.name} comes with the volume of {other.name} ({member.volume_id}): "
            f"give it its own, or remove {other.name} from the ring"
        )
    # Without a volume id nothing was ever said of its directory.
    if known is None or not known.volume_id:
        return None
    if known.volume_id != member.volume_id:
        if owned == 0:
            return None
        return (
            f"{member.name} owns {owned} partitions on volume {known.volume_id}, and comes with "
            f"volume {member.volume_id or 'unknown'}, which does not have them"
        )
    return None


def succession_problem(view: ClusterView, member: Member, *, token: str | None) -> str | None:
    """Why the volume of `member` does not continue the one known; None: it does.

    An operator may accept such a volume (`ringlog ring accept`): acknowledged records may be
    missing in it, so its partitions begin new leader epochs then. `token` is the newest one that is
    known of the member's volume.
    """
    known, volume = view.member(member.name), member.volume
    if volume is not None and volume.applied_revision > view.revision:
        return (
            f"{member.name} has applied revision {volume.applied_revision} of the metadata, and "
            f"this metadata service is at revision {view.revision}: it was restored from an older "
            f"backup. {_SEE.format(member.name)}"
        )
    if known is None or not known.volume_id or known.volume_id != member.volume_id:
        return None
    if is_same_process(view, member):
        return None
    if member.incarnation < known.incarnation:
        return (
            f"{member.name} was opened {known.incarnation} times, this is its process number "
            f"{member.incarnation}: a later one has its place, or its volume is an older copy. "
            f"{_SEE.format(member.name)}"
        )
    # A release before tokens does not have them, and is known by its count only.
    if token and volume is not None and token not in volume.tokens:
        return (
            f"the volume of {member.name} does not have the token that it was given last: it is an "
            f"older copy, or the metadata was restored from a backup. {_SEE.format(member.name)}"
        )
    return None


def is_same_process(view: ClusterView, member: Member) -> bool:
    """Returns whether the registered process of a member registers again.

    It may have renewed its token since it said which tokens it has.
    """
    known = view.member(member.name)
    return known is not None and bool(known.opening_id) and known.opening_id == member.opening_id


def process_refusal(view: ClusterView, member: str, process: MemberProcess | None) -> str | None:
    """Why `process` may not act for `member`; None: it is the process that registered last.

    A process that was replaced does not know what its successor has, or has not: it could commit a
    move whose copy its successor does not hold.
    """
    known = view.member(member)
    opening_id = "" if known is None else known.opening_id
    if process is None:
        return f"the caller does not say which process of {member} it is" if opening_id else None
    if process.name != member:
        return f"this is for {member} to do, not for {process.name}"
    if process.opening_id != opening_id:
        return f"another process of {member} has registered since this one did"
    return None


def gateway_refusal(live: Gateway, gateway: Gateway) -> str | None:
    """Why `gateway` may not register while `live`, with its node id, is alive; None: it may.

    At the same addresses it is the same one, which was restarted before anybody missed it.
    """
    if live.endpoints == gateway.endpoints:
        return None
    return (
        f"node id {gateway.node_id} is taken by {describe(live)}: "
        f"{describe(gateway)} needs another node.id"
    )


def _holder(view: ClusterView, member: Member) -> Member | None:
    """Another member with the same volume."""
    if not member.volume_id:
        return None
    same = (one for one in view.members if one.volume_id == member.volume_id)
    return next((one for one in same if one.name != member.name), None)
