"""The logs that this member serves, by the placement; a log is opened when it is first used."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Placement
from common.ports.partitions import LogId, Refusal
from partition_svc.log.fetch_waiter import wake_all
from partition_svc.log.log_config import LogConfig
from partition_svc.log.partition_log import PartitionLog
from partition_svc.log.tail_cache import TailCache
from partition_svc.store.failures import StorageFailed
from partition_svc.store.keys import CopyMarker
from partition_svc.store.keys import log_id as log_id_of_key
from partition_svc.store.log_store import LogStore


class LogRegistry:
    """The logs of one member: `logs` has the open ones, `find` opens others."""

    def __init__(  # noqa: PLR0913 - the parts of a log, each named by its caller
        self,
        store: LogStore,
        cache: TailCache,
        *,
        member: str,
        producer_expiration_ms: int,
        validates_records: bool = False,
        markers: Mapping[LogId, CopyMarker] = MappingProxyType({}),
    ) -> None:
        """`markers` are those of copies that moves bring here; see `LogConfig` for the rest."""
        self.logs: dict[LogId, PartitionLog] = {}
        self.view = ClusterView()
        self._store = store
        self._cache = cache
        self._member = member
        self._producer_expiration_ms = producer_expiration_ms
        self._validates_records = validates_records
        self._configs: dict[bytes, LogConfig] = {}
        self._markers = markers
        self._ahead: dict[LogId, Placement] = {}
        #: Logs that were unreadable when the store was opened again, with their epochs then.
        self._unread: dict[LogId, int] = {}

    def find(self, log_id: LogId) -> PartitionLog | Refusal:
        """Returns the log, which is opened if necessary, or why it is not served here.

        Raises:
            StorageFailed: the log cannot be read.
        """
        log = self.logs.get(log_id)
        if log is not None:
            return log
        placement = self._placement(log_id)
        if isinstance(placement, Refusal):
            return placement
        marker = self._markers.get(log_id)
        if marker is not None and not is_promoted(marker, placement):
            return Refusal.MOVING
        log = PartitionLog(
            LogId(*log_id),
            self._store,
            self._cache,
            config=self.config(log_id.topic_id),
            leader_epoch=placement.leader_epoch,
            producer_expiration_ms=self._producer_expiration_ms,
        )
        if (epoch := self._unread.pop(log.id, None)) is not None:
            log.fence(epoch)
        self.logs[log.id] = log
        return log

    def _drop_known_placements(self) -> None:
        """Drops placements of `_ahead` that the view has caught up with."""
        for log_id, placement in tuple(self._ahead.items()):
            seen = self.view.placement(*log_id)
            if seen is None or seen.leader_epoch >= placement.leader_epoch:
                del self._ahead[log_id]

    def _placement(self, log_id: LogId) -> Placement | Refusal:
        """Returns this member's placement, or why there is none, as before the first snapshot."""
        placement = self._ahead.get(log_id) or self.view.placement(*log_id)
        if placement is None:
            return (
                Refusal.UNKNOWN_TOPIC_OR_PARTITION if self.view.has_snapshot else Refusal.NOT_OWNER
            )
        return placement if placement.owner == self._member else Refusal.NOT_OWNER

    def owned_logs(self) -> Iterator[LogId]:
        """Yields every partition that this member owns, open or not."""
        for topic in self.view.topics:
            for partition, placement in enumerate(topic.partitions):
                if placement.owner == self._member:
                    yield LogId(topic.topic_id, partition)

    def owned_compacted_logs(self) -> list[LogId]:
        """Returns the partitions of compacted topics that this member owns, except moving ones."""
        return [
            LogId(topic.topic_id, partition)
            for topic in self.view.topics
            if self.config(topic.topic_id).is_compacted
            for partition, placement in enumerate(topic.partitions)
            if placement.owner == self._member
            and self.view.move_of(topic.topic_id, partition) is None
        ]

    def apply(self, change: ClusterChange) -> None:
        """Applies a change of metadata to open logs; closes those that are not owned any more."""
        affected = self._affected(change)
        self.view.apply(change)
        self._drop_known_placements()
        if change.broker_configs is not None or change.is_snapshot:
            self._configs.clear()
        for topic in change.topics:
            self._configs.pop(topic.topic_id, None)
        for log in affected:
            self._refresh(log)

    def record_ownership(self, log_id: LogId, leader_epoch: int) -> None:
        """Records that this member owns a log, before the view has the change."""
        placement = self.view.placement(*log_id)
        if placement is not None and placement.leader_epoch < leader_epoch:
            self._ahead[log_id] = Placement(self._member, leader_epoch)

    def owns(self, log_id: LogId) -> bool:
        return not isinstance(self._placement(log_id), Refusal)

    def serves(self, log_id: LogId) -> bool:
        """Returns True if the store has the log itself, not an unfinished copy of it."""
        placement = self._placement(log_id)
        if isinstance(placement, Refusal):
            return False
        marker = self._markers.get(log_id)
        return marker is None or is_promoted(marker, placement)

    def is_deleted(self, key: bytes) -> bool:
        """Returns True if a log key belongs to a topic that was deleted."""
        topic_id, _ = log_id_of_key(key)
        return self.view.has_snapshot and self.view.was_deleted(topic_id)

    def is_stray(self, key: bytes) -> bool:
        """Returns True if no metadata explains why this member has the log of a key.

        The topic is unknown, or another member owns the partition and no move explains the copy.
        Either the log was left behind, or the metadata service has lost metadata, and this may be
        the only copy of the records.
        """
        log = LogId(*log_id_of_key(key))
        if not self.view.has_snapshot or self.is_deleted(key):
            return False
        return not (self.owns(log) or log in self._markers or self.view.move_of(*log) is not None)

    def reload(self) -> bool:
        """Reloads every log after the store was opened again.

        Returns True if records are lost that consumers could read. Such a log accepts no appends
        before it has another leader epoch: the offsets must not be assigned again under this one.
        """
        has_lost = False
        for log in tuple(self.logs.values()):
            end = log.high_watermark
            try:
                log.reload()
            except StorageFailed:
                # Unreadable records may be lost too. The log is opened again when it is used next.
                has_lost = True
                self._unread[log.id] = log.leader_epoch
                del self.logs[log.id]
                log.close(Refusal.KAFKA_STORAGE_ERROR)
                continue
            if log.next_offset < end:
                has_lost = True
                log.fence(log.leader_epoch)
            # Batches that a failed sync had hidden can be read now.
            wake_all(log)
        return has_lost

    def _affected(self, change: ClusterChange) -> list[PartitionLog]:
        """Returns the open logs that a change may concern; call this before applying it."""
        if change.is_snapshot or change.broker_configs is not None:
            return list(self.logs.values())
        before = [self.view.topic_by_id(topic_id) for topic_id in change.deleted_topics]
        # A topic may also be replaced by another of the same name.
        before += [self.view.topic(topic.name) for topic in change.topics]
        ids = [
            LogId(topic.topic_id, partition)
            for topic in before
            if topic is not None
            for partition in range(len(topic.partitions))
        ]
        ids += [LogId(placed.topic_id, placed.partition) for placed in change.placements]
        return [self.logs[log_id] for log_id in set(ids) if log_id in self.logs]

    def _refresh(self, log: PartitionLog) -> None:
        placement = self._placement(log.id)
        if isinstance(placement, Refusal):
            del self.logs[log.id]
            log.close(placement)
            return
        log.config = self.config(log.id.topic_id)
        if log.leader_epoch != placement.leader_epoch:
            log.set_leader_epoch(placement.leader_epoch)
            wake_all(log)

    def name(self, topic_id: bytes, partition: int) -> str:
        """Returns topic name and partition for messages; the topic id if the topic is unknown."""
        topic = self.view.topic_by_id(topic_id)
        return f"{topic_id.hex() if topic is None else topic.name}-{partition}"

    def config(self, topic_id: bytes) -> LogConfig:
        """Returns the effective config of a topic; of an unknown topic, the defaults."""
        config = self._configs.get(topic_id)
        if config is None:
            topic = self.view.topic_by_id(topic_id)
            if topic is None:
                return LogConfig()
            config = LogConfig.of(
                topic.configs,
                self.view.broker_configs,
                is_internal=topic.is_internal,
                validates_records=self._validates_records,
            )
            self._configs[topic_id] = config
        return config


def is_promoted(marker: CopyMarker, placement: Placement) -> bool:
    """Returns True if a copy has become the log, since this member owns it now."""
    return marker.is_whole and placement.leader_epoch > marker.leader_epoch
