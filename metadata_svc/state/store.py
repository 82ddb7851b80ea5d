"""The durable state of the cluster: read at start, written with every change. Blocks on disk."""

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from common.cluster.view import DELETED_TOPICS_MAX
from common.kv.store import KvStore, KvStoreFailed, WriteBatch
from common.ports.metadata import Member, Placement, Topic
from common.ports.moves import Move, RingState
from metadata_svc.state import keys, rows
from metadata_svc.state.mutation import Mutation


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The complete stored state.

    `next_producer_id` and `next_move_id` are the first unallocated ids, `live` the identities of
    the processes that were alive at the last write, `deleted_topics` the ids of the most recently
    deleted topics, oldest first.
    """

    cluster_id: str
    revision: int = 0
    next_producer_id: int = 0
    topics: tuple[Topic, ...] = ()
    deleted_topics: tuple[bytes, ...] = ()
    members: tuple[Member, ...] = ()
    ring_states: Mapping[str, RingState] = field(default_factory=dict)
    moves: tuple[Move, ...] = ()
    next_move_id: int = 1
    is_rebalancing: bool = False
    lost_volumes: Mapping[str, str] = field(default_factory=dict)
    volume_tokens: Mapping[str, str] = field(default_factory=dict)
    accepted_volumes: frozenset[str] = frozenset()
    live: frozenset[str] = frozenset()


class StateStore:
    """Typed access to the metadata store. Every method raises `KvStoreFailed`."""

    def __init__(self, store: KvStore) -> None:
        self._store = store

    def load(self) -> State:
        """Returns the stored state; initialises an empty store as a new cluster with a new id."""
        found_format = self._store.get(keys.FORMAT_KEY)
        if found_format is None:
            self._initialise_cluster()
        elif found_format == keys.FORMAT_BEFORE:
            self._upgrade_format()
        elif found_format != keys.FORMAT:
            raise KvStoreFailed(
                f"the metadata store has format {found_format.decode(errors='replace')}, "
                f"this release reads format {keys.FORMAT.decode()}"
            )
        return State(
            cluster_id=self._must_get(keys.CLUSTER_ID_KEY).decode(),
            revision=keys.decode_number(self._must_get(keys.REVISION_KEY)),
            next_producer_id=keys.decode_number(self._must_get(keys.PRODUCER_IDS_KEY)),
            topics=self._topics(),
            deleted_topics=self._deleted_topics(),
            members=tuple(rows.decode_member(row) for _, row in self._store.scan(*keys.MEMBERS)),
            ring_states={
                keys.member_of(key): rows.decode_ring_state(row)
                for key, row in self._store.scan(*keys.RING_STATES)
            },
            moves=tuple(rows.decode_move(row) for _, row in self._store.scan(*keys.MOVES)),
            next_move_id=keys.decode_number(self._must_get(keys.MOVE_IDS_KEY)),
            is_rebalancing=self._must_get(keys.REBALANCING_KEY) == b"1",
            lost_volumes={
                keys.volume_of(key): row.decode()
                for key, row in self._store.scan(*keys.LOST_VOLUMES)
            },
            volume_tokens={
                keys.member_of(key): row.decode()
                for key, row in self._store.scan(*keys.VOLUME_TOKENS)
            },
            accepted_volumes=frozenset(
                keys.member_of(key) for key, _ in self._store.scan(*keys.ACCEPTED_VOLUMES)
            ),
            live=rows.decode_live(self._must_get(keys.LIVE_KEY)),
        )

    def save_change(self, revision: int, mutation: Mutation) -> None:
        """Stores a change and its revision in one durable write.

        Only the identities of gateways are stored: gateways send their addresses when they register
        again.
        """
        batch = WriteBatch()
        batch.put(keys.REVISION_KEY, keys.encode_number(revision))
        _put_topics(batch, mutation)
        for topic in mutation.deleted_topics:
            batch.put(keys.deleted_topic_key(revision, topic.topic_id), b"")
        _put_members(batch, mutation)
        for move_id in mutation.ended_moves:
            batch.delete(keys.move_key(move_id))
        for move in mutation.moves:
            batch.put(keys.move_key(move.move_id), rows.encode_move(move))
        if mutation.next_move_id is not None:
            batch.put(keys.MOVE_IDS_KEY, keys.encode_number(mutation.next_move_id))
        if mutation.is_rebalancing is not None:
            batch.put(keys.REBALANCING_KEY, b"1" if mutation.is_rebalancing else b"0")
        self._store.write(batch, sync=True)

    def save_next_producer_id(self, producer_id: int) -> None:
        batch = WriteBatch()
        batch.put(keys.PRODUCER_IDS_KEY, keys.encode_number(producer_id))
        self._store.write(batch, sync=True)

    def save_volume_token(self, name: str, token: str) -> None:
        batch = WriteBatch()
        batch.put(keys.volume_token_key(name), token.encode())
        self._store.write(batch, sync=True)

    def close(self) -> None:
        self._store.close()

    def _topics(self) -> tuple[Topic, ...]:
        changed: dict[bytes, dict[int, Placement]] = {}
        for key, row in self._store.scan(*keys.PLACEMENTS):
            topic_id, partition = keys.partition_of(key)
            changed.setdefault(topic_id, {})[partition] = rows.decode_placement(row)
        topics = (rows.decode_topic(row) for _, row in self._store.scan(*keys.TOPICS))
        return tuple(_with(topic, changed.get(topic.topic_id, {})) for topic in topics)

    def _deleted_topics(self) -> tuple[bytes, ...]:
        """Returns the newest DELETED_TOPICS_MAX deleted topics and removes older rows."""
        found = [key for key, _ in self._store.scan(*keys.DELETED_TOPICS)]
        expired = found[: max(0, len(found) - DELETED_TOPICS_MAX)]
        if expired:
            batch = WriteBatch()
            for key in expired:
                batch.delete(key)
            self._store.write(batch, sync=True)
        return tuple(keys.topic_id_of(key) for key in found[len(expired) :])

    def _initialise_cluster(self) -> None:
        batch = WriteBatch()
        batch.put(keys.FORMAT_KEY, keys.FORMAT)
        batch.put(keys.CLUSTER_ID_KEY, _new_cluster_id().encode())
        batch.put(keys.REVISION_KEY, keys.encode_number(0))
        batch.put(keys.PRODUCER_IDS_KEY, keys.encode_number(0))
        batch.put(keys.LIVE_KEY, rows.encode_live(()))
        _put_initial_ring(batch)
        self._store.write(batch, sync=True)

    def _upgrade_format(self) -> None:
        """Upgrades a store of format 1, in which every member is in the ring and none moves."""
        batch = WriteBatch()
        batch.put(keys.FORMAT_KEY, keys.FORMAT)
        for _, row in self._store.scan(*keys.MEMBERS):
            name = rows.decode_member(row).name
            batch.put(keys.ring_state_key(name), rows.encode_ring_state(RingState.JOINED))
        _put_initial_ring(batch)
        self._store.write(batch, sync=True)

    def _must_get(self, key: bytes) -> bytes:
        value = self._store.get(key)
        if value is None:
            raise KvStoreFailed(f"the metadata store is damaged: key {key!r} is missing")
        return value


def _put_topics(batch: WriteBatch, mutation: Mutation) -> None:
    for topic in mutation.deleted_topics:
        batch.delete(keys.topic_key(topic.name))
        for partition, placement in enumerate(topic.partitions):
            if placement.leader_epoch > 0:
                batch.delete(keys.placement_key(topic.topic_id, partition))
    for topic in mutation.topics:
        batch.put(keys.topic_key(topic.name), rows.encode_topic(topic))
    for topic_id, partition, placement in mutation.placements:
        row = rows.encode_placement(placement)
        batch.put(keys.placement_key(topic_id, partition), row)


def _put_members(batch: WriteBatch, mutation: Mutation) -> None:
    for name in mutation.removed_members:
        batch.delete(keys.member_key(name))
        batch.delete(keys.ring_state_key(name))
        batch.delete(keys.volume_token_key(name))
        batch.delete(keys.accepted_volume_key(name))
    for member in mutation.members:
        batch.put(keys.member_key(member.name), rows.encode_member(member))
    for name, state in mutation.ring_states.items():
        batch.put(keys.ring_state_key(name), rows.encode_ring_state(state))
    for volume_id, name in mutation.lost_volumes.items():
        batch.put(keys.lost_volume_key(volume_id), name.encode())
    for name, token in mutation.volume_tokens.items():
        batch.put(keys.volume_token_key(name), token.encode())
    for name, is_accepted in mutation.accepted_volumes.items():
        if is_accepted:
            batch.put(keys.accepted_volume_key(name), b"")
        else:
            batch.delete(keys.accepted_volume_key(name))
    if mutation.live is not None:
        batch.put(keys.LIVE_KEY, rows.encode_live(mutation.live))


def _put_initial_ring(batch: WriteBatch) -> None:
    batch.put(keys.MOVE_IDS_KEY, keys.encode_number(1))
    batch.put(keys.REBALANCING_KEY, b"0")


def _with(topic: Topic, changed: Mapping[int, Placement]) -> Topic:
    if not changed:
        return topic
    partitions = tuple(
        changed.get(partition, placement) for partition, placement in enumerate(topic.partitions)
    )
    return replace(topic, partitions=partitions)


def _new_cluster_id() -> str:
    """Returns 22 characters of base64url, the text form of Kafka's Uuid."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
