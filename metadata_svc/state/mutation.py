"""What is to change in the cluster: a value, which `change_log.py` stores and tells."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from common.ports.metadata import ClusterChange, Gateway, Member, PlacementChange, Topic
from common.ports.moves import Move, RingState


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """A `ClusterChange` that has no revision yet, and what only the metadata service keeps of it.

    `live` are the identities of those who live after it, `is_rebalancing` says whether partitions
    are where the ring wants them, `next_move_id` is the first that was never given away; None: as
    before. `ring_states` holds the members whose state changes, `lost_volumes` the names of the
    members that had those volumes, which must never come back. `volume_tokens` are new ones by
    member, `accepted_volumes` says whose next volume is let in. `revision_min` is a revision that
    was used before, by a service that knew more than this one.
    """

    topics: Sequence[Topic] = ()
    topics_gone: Sequence[Topic] = ()
    placements: Sequence[PlacementChange] = ()
    gateways: Sequence[Gateway] = ()
    gateways_gone: Sequence[int] = ()
    members: Sequence[Member] = ()
    members_gone: Sequence[str] = ()
    moves: Sequence[Move] = ()
    moves_gone: Sequence[int] = ()
    ring_states: Mapping[str, RingState] = field(default_factory=dict)
    lost_volumes: Mapping[str, str] = field(default_factory=dict)
    volume_tokens: Mapping[str, str] = field(default_factory=dict)
    accepted_volumes: Mapping[str, bool] = field(default_factory=dict)
    is_rebalancing: bool | None = None
    next_move_id: int | None = None
    live: Collection[str] | None = None
    revision_min: int = 0

    def as_change(self, *, revision: int, cluster_id: str) -> ClusterChange:
        """What watchers are told of it."""
        return ClusterChange(
            revision=revision,
            cluster_id=cluster_id,
            topics=self.topics,
            topics_gone=[topic.topic_id for topic in self.topics_gone],
            placements=self.placements,
            gateways=self.gateways,
            gateways_gone=self.gateways_gone,
            members=self.members,
            members_gone=self.members_gone,
            moves=self.moves,
            moves_gone=self.moves_gone,
        )
