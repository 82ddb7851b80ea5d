"""A change of the cluster as a value, which `change_log.py` stores and sends to watchers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from common.ports.metadata import ClusterChange, Gateway, Member, PlacementChange, Topic
from common.ports.moves import Move, RingState


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """A `ClusterChange` without a revision, plus state that only the metadata service keeps.

    `live` are the identities of all live processes after the change, `is_rebalancing` is true if
    partitions have to move, and `next_move_id` is the first unallocated move id; None leaves each
    as it was. `ring_states` holds the members whose state changes, `lost_volumes` maps volume ids
    that must never be used again to the members that had them. `volume_tokens` holds new tokens by
    member; `accepted_volumes` sets or clears the acceptance of a member's next volume.
    `revision_min` is the highest revision known to be in use: a metadata service restored from a
    backup must not assign it again.
    """

    topics: Sequence[Topic] = ()
    deleted_topics: Sequence[Topic] = ()
    placements: Sequence[PlacementChange] = ()
    gateways: Sequence[Gateway] = ()
    removed_gateways: Sequence[int] = ()
    members: Sequence[Member] = ()
    removed_members: Sequence[str] = ()
    moves: Sequence[Move] = ()
    ended_moves: Sequence[int] = ()
    ring_states: Mapping[str, RingState] = field(default_factory=dict)
    lost_volumes: Mapping[str, str] = field(default_factory=dict)
    volume_tokens: Mapping[str, str] = field(default_factory=dict)
    accepted_volumes: Mapping[str, bool] = field(default_factory=dict)
    is_rebalancing: bool | None = None
    next_move_id: int | None = None
    live: Collection[str] | None = None
    revision_min: int = 0

    def as_change(self, *, revision: int, cluster_id: str) -> ClusterChange:
        """Returns the change as watchers receive it."""
        return ClusterChange(
            revision=revision,
            cluster_id=cluster_id,
            topics=self.topics,
            deleted_topics=[topic.topic_id for topic in self.deleted_topics],
            placements=self.placements,
            gateways=self.gateways,
            removed_gateways=self.removed_gateways,
            members=self.members,
            removed_members=self.removed_members,
            moves=self.moves,
            ended_moves=self.ended_moves,
        )
