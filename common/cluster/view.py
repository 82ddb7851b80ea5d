"""The view of the cluster in one process: topics, gateways, partition services, broker configs.

Pure state, built from `ClusterChange`s: no I/O, no clock, no locks. The metadata service keeps the
authoritative one, every gateway and partition service a copy, which `follow.py` updates. All
returned values are immutable, so readers may keep them across changes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from common.ports.metadata import ClusterChange, Gateway, Member, Placement, PlacementChange, Topic
from common.ports.moves import Move

#: The number of deleted topics that are kept: 16 bytes each, in every process and snapshot.
DELETED_TOPICS_MAX: Final = 10_000

_NO_CONFIGS: Mapping[str, str] = MappingProxyType({})


class ClusterView:
    """The state at `revision`; empty before the first change, which is a snapshot."""

    def __init__(self) -> None:
        self.revision = -1
        #: The number of applied changes: while it stays the same, all other state does too.
        self.version = 0
        self.cluster_id = ""
        self.broker_configs: Mapping[str, str] = _NO_CONFIGS
        self._topics_by_name: dict[str, Topic] = {}
        self._topics_by_id: dict[bytes, Topic] = {}
        # Ids, the oldest deletion first.
        self._topics_deleted: dict[bytes, None] = {}
        self._gateways: dict[int, Gateway] = {}
        self._members: dict[str, Member] = {}
        self._moves: dict[int, Move] = {}
        self._moves_by_log: dict[tuple[bytes, int], Move] = {}
        # Sorted once after a change, not at every request that lists all of them.
        self._topics_sorted: tuple[Topic, ...] | None = ()
        self._gateways_sorted: tuple[Gateway, ...] = ()
        self._members_sorted: tuple[Member, ...] = ()

    @property
    def has_snapshot(self) -> bool:
        """True if a snapshot was applied: before, every lookup returns None."""
        return self.revision >= 0

    def topic(self, name: str) -> Topic | None:
        return self._topics_by_name.get(name)

    def topic_by_id(self, topic_id: bytes) -> Topic | None:
        """Looks up by an id of 16 bytes. A topic that was deleted and recreated has a new one."""
        return self._topics_by_id.get(topic_id)

    def was_deleted(self, topic_id: bytes) -> bool:
        """True if a topic is known to be deleted, rather than unknown.

        The last `DELETED_TOPICS_MAX` deletions are kept.
        """
        return topic_id in self._topics_deleted

    def placement(self, topic_id: bytes, partition: int) -> Placement | None:
        """Returns owner and leader epoch; None if the topic or the partition does not exist."""
        topic = self._topics_by_id.get(topic_id)
        if topic is None or not 0 <= partition < len(topic.partitions):
            return None
        return topic.partitions[partition]

    def partitions_of(self, owner: str) -> list[tuple[bytes, int]]:
        """Returns topic id and index of every partition of a member, grouped by topic."""
        return [
            (topic.topic_id, partition)
            for topic in self.topics
            for partition, placement in enumerate(topic.partitions)
            if placement.owner == owner
        ]

    def gateway(self, node_id: int) -> Gateway | None:
        return self._gateways.get(node_id)

    def member(self, name: str) -> Member | None:
        return self._members.get(name)

    def move(self, move_id: int) -> Move | None:
        return self._moves.get(move_id)

    def move_of(self, topic_id: bytes, partition: int) -> Move | None:
        """Returns the move of a partition, which has at most one."""
        return self._moves_by_log.get((topic_id, partition))

    @property
    def moves(self) -> tuple[Move, ...]:
        """Moves in progress, the oldest first."""
        return tuple(self._moves[move_id] for move_id in sorted(self._moves))

    @property
    def topics(self) -> tuple[Topic, ...]:
        """All topics, by name."""
        if self._topics_sorted is None:
            by_name = self._topics_by_name
            self._topics_sorted = tuple(by_name[name] for name in sorted(by_name))
        return self._topics_sorted

    @property
    def gateways(self) -> tuple[Gateway, ...]:
        """Live gateways, by node id."""
        return self._gateways_sorted

    @property
    def members(self) -> tuple[Member, ...]:
        """Partition services, by name; one that is down keeps its last address."""
        return self._members_sorted

    def apply(self, change: ClusterChange) -> None:
        """Applies `change`. Changes must be applied in the order of their revisions."""
        if change.is_snapshot:
            self._clear()
        self.revision = change.revision
        self.version += 1
        self.cluster_id = change.cluster_id
        if change.broker_configs is not None:
            self.broker_configs = MappingProxyType(dict(change.broker_configs))
        self._apply_topics(change.topics, change.deleted_topics)
        self._apply_placements(change.placements)
        self._apply_gateways(change.gateways, change.removed_gateways)
        self._apply_members(change.members, change.removed_members)
        self._apply_moves(change.moves, change.ended_moves)

    def snapshot(self) -> ClusterChange:
        """Returns the whole state as one change, which makes any view equal to this one."""
        return ClusterChange(
            revision=self.revision,
            cluster_id=self.cluster_id,
            is_snapshot=True,
            topics=self.topics,
            deleted_topics=tuple(self._topics_deleted),
            gateways=self.gateways,
            members=self.members,
            moves=self.moves,
            broker_configs=self.broker_configs,
        )

    def _clear(self) -> None:
        self.broker_configs = _NO_CONFIGS
        self._topics_by_name.clear()
        self._topics_by_id.clear()
        self._topics_deleted.clear()
        self._gateways.clear()
        self._members.clear()
        self._moves.clear()
        self._moves_by_log.clear()
        self._topics_sorted, self._gateways_sorted, self._members_sorted = (), (), ()

    def _apply_topics(self, changed: Iterable[Topic], gone: Iterable[bytes]) -> None:
        # Deletions first: one change may replace a topic by another of the same name.
        for topic_id in gone:
            topic = self._topics_by_id.pop(topic_id, None)
            if topic is not None and self._topics_by_name[topic.name].topic_id == topic_id:
                del self._topics_by_name[topic.name]
            self._topics_sorted = None
            self._add_deleted(topic_id)
        for topic in changed:
            before = self._topics_by_name.get(topic.name)
            if before is not None and before.topic_id != topic.topic_id:
                del self._topics_by_id[before.topic_id]
                self._add_deleted(before.topic_id)
            self._topics_by_name[topic.name] = topic
            self._topics_by_id[topic.topic_id] = topic
            self._topics_sorted = None

    def _add_deleted(self, topic_id: bytes) -> None:
        self._topics_deleted[topic_id] = None
        if len(self._topics_deleted) > DELETED_TOPICS_MAX:
            del self._topics_deleted[next(iter(self._topics_deleted))]

    def _apply_placements(self, changed: Iterable[PlacementChange]) -> None:
        changes_by_topic: dict[bytes, list[PlacementChange]] = {}
        for change in changed:
            changes_by_topic.setdefault(change.topic_id, []).append(change)
        for topic_id, changes in changes_by_topic.items():
            topic = self._topics_by_id[topic_id]
            partitions = list(topic.partitions)
            for change in changes:
                partitions[change.partition] = change.placement
            topic = replace(topic, partitions=tuple(partitions))
            self._topics_by_name[topic.name] = self._topics_by_id[topic_id] = topic
            self._topics_sorted = None

    def _apply_gateways(self, changed: Iterable[Gateway], gone: Iterable[int]) -> None:
        for node_id in gone:
            self._gateways.pop(node_id, None)
        for gateway in changed:
            self._gateways[gateway.node_id] = gateway
        self._gateways_sorted = tuple(self._gateways[node_id] for node_id in sorted(self._gateways))

    def _apply_members(self, changed: Iterable[Member], gone: Iterable[str]) -> None:
        for name in gone:
            self._members.pop(name, None)
        for member in changed:
            self._members[member.name] = member
        self._members_sorted = tuple(self._members[name] for name in sorted(self._members))

    def _apply_moves(self, changed: Iterable[Move], gone: Iterable[int]) -> None:
        # Ended moves first: one change may end a move of a partition and begin another.
        for move_id in gone:
            move = self._moves.pop(move_id, None)
            if move is not None:
                del self._moves_by_log[move.topic_id, move.partition]
        for move in changed:
            self._moves[move.move_id] = move
            self._moves_by_log[move.topic_id, move.partition] = move
