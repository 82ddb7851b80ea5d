"""Admission of partition services and gateways: pure decisions.

A member's name stands for its data. A process that registers the name with another data directory
does not have that data, and a directory registered under a second name would have two owners: both
would lose records silently.

A gateway's node id stands for its addresses: of two gateways with one id, clients would reach only
one.
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
    """Returns the reason why `member`, which owns `owned` partitions, may not register, or None.

    A refusal is permanent: a retry of the same process is refused too. `lost_volumes` maps the ids
    of volumes that were declared lost to the members that had them.
    """
    if (former := lost_volumes.get(member.volume_id)) is not None:
        # Once admitted it would delete its logs, possibly the only copies of those records.
        return (
            f"{member.name} comes with volume {member.volume_id}, which was declared lost when "
            f"{former} was removed: its partitions were recreated empty; give it an empty volume"
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
    # A member registered without a volume id may register any directory.
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
    """Returns the reason why the volume of `member` may be an older copy, or None.

    An operator can accept such a volume (`ringlog ring accept`). Acknowledged records may be
    missing from it, so its partitions then start new leader epochs. `token` is the newest recorded
    token of the member's volume.
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
            f"{member.incarnation}: a later process has replaced it, or its volume is an older "
            "copy. "
            f"{_SEE.format(member.name)}"
        )
    # Releases without tokens are checked by incarnation only.
    if token and volume is not None and token not in volume.tokens:
        return (
            f"the volume of {member.name} does not have the newest recorded token: it is an "
            f"older copy, or the metadata was restored from a backup. {_SEE.format(member.name)}"
        )
    return None


def is_same_process(view: ClusterView, member: Member) -> bool:
    """True if `member` is the registered process, registering again.

    It may have renewed its token after it built the registration, which then lacks that token.
    """
    known = view.member(member.name)
    return known is not None and bool(known.opening_id) and known.opening_id == member.opening_id


def process_refusal(view: ClusterView, member: str, process: MemberProcess | None) -> str | None:
    """Returns the reason why `process` may not act for `member`, or None if it registered last.

    A replaced process does not know the logs of its successor: it could commit a move whose copy
    the successor does not have.
    """
    known = view.member(member)
    opening_id = "" if known is None else known.opening_id
    if process is None:
        return f"the caller does not name its process of {member}" if opening_id else None
    if process.name != member:
        return f"only {member} may call this, not {process.name}"
    if process.opening_id != opening_id:
        return f"another process of {member} has registered since"
    return None


def gateway_refusal(live: Gateway, gateway: Gateway) -> str | None:
    """Returns the reason why `gateway` may not register while `live` has its node id, or None.

    A gateway with the same addresses is the same one, restarted before its lease expired.
    """
    if live.endpoints == gateway.endpoints:
        return None
    return (
        f"node id {gateway.node_id} is taken by {describe(live)}: "
        f"{describe(gateway)} needs another node.id"
    )


def _holder(view: ClusterView, member: Member) -> Member | None:
    """Returns another member with the same volume, or None."""
    if not member.volume_id:
        return None
    same_volume = (known for known in view.members if known.volume_id == member.volume_id)
    return next((known for known in same_volume if known.name != member.name), None)
