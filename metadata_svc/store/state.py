"""What survives a restart: read once at the start, written with every change. Blocks on disk."""

import base64
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from common.kv.store import KvStore, StorageFailed, WriteBatch
from common.ports.metadata import ClusterChange, Member, Topic
from metadata_svc.store import keys, rows


@dataclass(frozen=True, slots=True)
class State:
    """Everything kept.

    `next_producer_id` is the first that was never given away, `live` the identities of those who
    were alive when the store was last written.
    """

    cluster_id: str
    revision: int
    next_producer_id: int
    topics: tuple[Topic, ...]
    members: tuple[Member, ...]
    live: frozenset[str]


class StateStore:
    """The metadata store in its own words. Every method raises `StorageFailed`."""

    def __init__(self, store: KvStore) -> None:
        self._store = store

    def load(self) -> State:
        """All that is kept; on an empty store, a new cluster with a new id, kept from now on."""
        found_format = self._store.get(keys.FORMAT_KEY)
        if found_format is None:
            self._begin_cluster()
        elif found_format != keys.FORMAT:
            raise StorageFailed(
                f"the metadata store has format {found_format.decode(errors='replace')}, "
                f"this release knows format {keys.FORMAT.decode()}"
            )
        return State(
            cluster_id=self._must_get(keys.CLUSTER_ID_KEY).decode(),
            revision=keys.decode_number(self._must_get(keys.REVISION_KEY)),
            next_producer_id=keys.decode_number(self._must_get(keys.PRODUCER_IDS_KEY)),
            topics=tuple(rows.decode_topic(row) for _, row in self._store.scan(*keys.TOPICS)),
            members=tuple(rows.decode_member(row) for _, row in self._store.scan(*keys.MEMBERS)),
            live=rows.decode_live(self._must_get(keys.LIVE_KEY)),
        )

    def save_change(
        self,
        change: ClusterChange,
        *,
        topic_names_gone: Sequence[str] = (),
        live: Collection[str] | None = None,
    ) -> None:
        """Keeps what outlives the process of `change`, and its revision, in one durable write.

        Of gateways only that they live is kept, with `live`: where they are they say themselves
        when they come back. `live` None: nobody came or went.
        """
        batch = WriteBatch()
        batch.put(keys.REVISION_KEY, keys.encode_number(change.revision))
        for name in topic_names_gone:
            batch.delete(keys.topic_key(name))
        for topic in change.topics:
            batch.put(keys.topic_key(topic.name), rows.encode_topic(topic))
        for member in change.members:
            batch.put(keys.member_key(member.name), rows.encode_member(member))
        for gone in change.members_gone:
            batch.delete(keys.member_key(gone))
        if live is not None:
            batch.put(keys.LIVE_KEY, rows.encode_live(live))
        self._store.write(batch, sync=True)

    def save_next_producer_id(self, producer_id: int) -> None:
        batch = WriteBatch()
        batch.put(keys.PRODUCER_IDS_KEY, keys.encode_number(producer_id))
        self._store.write(batch, sync=True)

    def close(self) -> None:
        self._store.close()

    def _begin_cluster(self) -> None:
        batch = WriteBatch()
        batch.put(keys.FORMAT_KEY, keys.FORMAT)
        batch.put(keys.CLUSTER_ID_KEY, _new_cluster_id().encode())
        batch.put(keys.REVISION_KEY, keys.encode_number(0))
        batch.put(keys.PRODUCER_IDS_KEY, keys.encode_number(0))
        batch.put(keys.LIVE_KEY, rows.encode_live(()))
        self._store.write(batch, sync=True)

    def _must_get(self, key: bytes) -> bytes:
        value = self._store.get(key)
        if value is None:
            raise StorageFailed(f"the metadata store is damaged: no key {key!r}")
        return value


def _new_cluster_id() -> str:
    """22 characters of base64url, as Kafka's Uuid writes itself."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
