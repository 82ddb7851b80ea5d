"""Which logs there are here: made known by the metadata service, opened when first used."""

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
from partition_svc.store.keys import Incoming, log_id
from partition_svc.store.log_store import LogStore


class LogRegistry:
    """The logs of one member. `logs` holds the open ones; `find` opens."""

    def __init__(  # noqa: PLR0913 - what logs are made of, each named by its caller
        self,
        store: LogStore,
        cache: TailCache,
        *,
        member: str,
        producer_expiration_ms: int,
        validates_records: bool = False,
        marks: Mapping[LogId, Incoming] = MappingProxyType({}),
    ) -> None:
        """`marks` are those of copies that moves bring here; `validates_records`: `LogConfig`."""
        self.logs: dict[LogId, PartitionLog] = {}
        self.view = ClusterView()
        self._store = store
        self._cache = cache
        self._member = member
        self._producer_expiration_ms = producer_expiration_ms
        self._validates_records = validates_records
        self._configs: dict[bytes, LogConfig] = {}
        self._marks = marks
        self._ahead: dict[LogId, Placement] = {}
        #: Logs that could not be read when the store was opened again, with their epochs then.
        self._unread: dict[LogId, int] = {}

    def find(self, wanted: LogId) -> PartitionLog | Refusal:
        """The log, opened where it is not yet; or why it is not served here.

        Raises:
            StorageFailed: it cannot be read.
        """
        log = self.logs.get(wanted)
        if log is not None:
            return log
        placement = self._placement(wanted)
        if isinstance(placement, Refusal):
            return placement
        mark = self._marks.get(wanted)
        if mark is not None and not is_promoted(mark, placement):
            return Refusal.MOVING
        log = PartitionLog(
            LogId(*wanted),
            self._store,
            self._cache,
            config=self.config(wanted.topic_id),
            leader_epoch=placement.leader_epoch,
            producer_expiration_ms=self._producer_expiration_ms,
        )
        if (epoch := self._unread.pop(log.id, None)) is not None:
            log.fence(epoch)
        self.logs[log.id] = log
        return log

    def _forget_what_is_known(self) -> None:
        """What the view has caught up with."""
        for wanted, placement in tuple(self._ahead.items()):
            seen = self.view.placement(*wanted)
            if seen is None or seen.leader_epoch >= placement.leader_epoch:
                del self._ahead[wanted]

    def _placement(self, wanted: LogId) -> Placement | Refusal:
        """Ours, or why it is not. Nothing is, before it was said what is."""
        placement = self._ahead.get(wanted) or self.view.placement(*wanted)
        if placement is None:
            return (
                Refusal.UNKNOWN_TOPIC_OR_PARTITION if self.view.has_snapshot else Refusal.NOT_OWNER
            )
        return placement if placement.owner == self._member else Refusal.NOT_OWNER

    def owned_logs(self) -> Iterator[LogId]:
        """Every partition that this member owns, used or not."""
        for topic in self.view.topics:
            for partition, placement in enumerate(topic.partitions):
                if placement.owner == self._member:
                    yield LogId(topic.topic_id, partition)

    def owned_compacted_logs(self) -> list[LogId]:
        """Partitions of compacted topics that this member owns, save for those that move."""
        return [
            LogId(topic.topic_id, partition)
            for topic in self.view.topics
            if self.config(topic.topic_id).is_compacted
            for partition, placement in enumerate(topic.partitions)
            if placement.owner == self._member
            and self.view.move_of(topic.topic_id, partition) is None
        ]

    def apply(self, change: ClusterChange) -> None:
        """Takes over a change: new configs and epochs, and an end to logs that went away."""
        affected = self._affected(change)
        self.view.apply(change)
        self._forget_what_is_known()
        if change.broker_configs is not None or change.is_snapshot:
            self._configs.clear()
        for topic in change.topics:
            self._configs.pop(topic.topic_id, None)
        for log in affected:
            self._refresh(log)

    def record_ownership(self, wanted: LogId, leader_epoch: int) -> None:
        """The metadata service has said that the log is this member's, before the view has it."""
        placement = self.view.placement(*wanted)
        if placement is not None and placement.leader_epoch < leader_epoch:
            self._ahead[wanted] = Placement(self._member, leader_epoch)

    def owns(self, wanted: LogId) -> bool:
        return not isinstance(self._placement(wanted), Refusal)

    def serves(self, wanted: LogId) -> bool:
        """Whether what is in the store is the log, and not a copy of it or what is left of one."""
        placement = self._placement(wanted)
        if isinstance(placement, Refusal):
            return False
        mark = self._marks.get(wanted)
        return mark is None or is_promoted(mark, placement)

    def is_deleted(self, key: bytes) -> bool:
        """Returns whether a log key is of a topic that the metadata service says was deleted."""
        topic_id, _ = log_id(key)
        return self.view.has_snapshot and self.view.was_deleted(topic_id)

    def is_stray(self, key: bytes) -> bool:
        """Returns whether a log key is of no log that this member should have, and nobody says why.

        The topic is not known, or another member owns the partition and no move explains the copy.
        Either something was left behind, or the metadata service has lost what it knew, and this
        may be all there is of the records.
        """
        log = LogId(*log_id(key))
        if not self.view.has_snapshot or self.is_deleted(key):
            return False
        return not (self.owns(log) or log in self._marks or self.view.move_of(*log) is not None)

    def reload(self) -> bool:
        """Puts every log back to what the store holds, after that was opened again.

        Returns True where records are gone that consumers could read. Such a log takes no appends
        before it has another leader epoch: their offsets must not be given again under this one.
        """
        has_lost = False
        for log in tuple(self.logs.values()):
            end = log.high_watermark
            try:
                log.reload()
            except StorageFailed:
                # What cannot be read may be lost as well. It is opened again when it is asked for.
                has_lost = True
                self._unread[log.id] = log.leader_epoch
                del self.logs[log.id]
                log.close(Refusal.KAFKA_STORAGE_ERROR)
                continue
            if log.next_offset < end:
                has_lost = True
                log.fence(log.leader_epoch)
            # What was out of sight after a failed sync can be read now.
            wake_all(log)
        return has_lost

    def _affected(self, change: ClusterChange) -> list[PartitionLog]:
        """Open logs that a change may be about; must be asked before the change is applied."""
        if change.is_snapshot or change.broker_configs is not None:
            return list(self.logs.values())
        before = [self.view.topic_by_id(topic_id) for topic_id in change.topics_gone]
        # A topic may also be replaced by another one of the same name.
        before += [self.view.topic(topic.name) for topic in change.topics]
        ids = [
            LogId(topic.topic_id, partition)
            for topic in before
            if topic is not None
            for partition in range(len(topic.partitions))
        ]
        ids += [LogId(one.topic_id, one.partition) for one in change.placements]
        return [self.logs[one] for one in set(ids) if one in self.logs]

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
        """The topic's name and the partition; the topic's id where it is not known."""
        topic = self.view.topic_by_id(topic_id)
        return f"{topic_id.hex() if topic is None else topic.name}-{partition}"

    def config(self, topic_id: bytes) -> LogConfig:
        """What is in force for a topic; for one that is not known, what usually is."""
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


def is_promoted(mark: Incoming, placement: Placement) -> bool:
    """Whether what came as a copy is the log, now that this member owns it."""
    return mark.is_whole and placement.leader_epoch > mark.leader_epoch
