"""The committed offsets of one group, whoever its members are.

Kafka: OffsetMetadataManager. An offset changes by a commit only, and goes by a tombstone only. It
counts as long as the topic has the id that it was committed for (KAFKA-19154).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import (
    NO_RETENTION,
    CommitResult,
    CommittedOffset,
    FetchedOffsets,
    OffsetToCommit,
    TopicPartitions,
)
from partition_svc.coordinator.consumer.topic_patterns import Topics
from partition_svc.coordinator.records.fields import fits
from partition_svc.coordinator.records.result import Effects
from partition_svc.coordinator.records.stored import OffsetRecord, StoredOffset

#: By topic name and partition.
OffsetTable: TypeAlias = dict[str, dict[int, StoredOffset]]

#: The last moment that 64 bits can say.
_TIME_MAX_MS: Final = 2**63 - 1

_TOO_LARGE: Final = GroupRefusal.OFFSET_METADATA_TOO_LARGE
_UNKNOWN_TOPIC: Final = GroupRefusal.UNKNOWN_TOPIC_OR_PARTITION


class GroupOffsets:
    """`table` is taken over, not copied. `view`: the topics that exist at any time."""

    __slots__ = ("_before", "_group_id", "_table", "_view")

    def __init__(self, group_id: str, table: OffsetTable, view: Topics) -> None:
        self._group_id = group_id
        self._table = table
        self._view = view
        #: What has changed since the last `confirm`, as it was before.
        self._before: list[tuple[str, int, StoredOffset | None]] = []

    def __len__(self) -> int:
        return sum(len(partitions) for partitions in self._table.values())

    def __bool__(self) -> bool:
        return bool(self._table)

    def commit(
        self, offsets: Sequence[OffsetToCommit], metadata_max: int, effects: Effects
    ) -> CommitResult:
        """Takes each offset whose metadata is not longer than `metadata_max` characters.

        Refuses offsets of a topic that was deleted and made again since the client, or its gateway,
        looked it up: the new topic's offset must not be overwritten.
        """
        return CommitResult([self._commit(one, metadata_max, effects) for one in offsets])

    def _commit(
        self, one: OffsetToCommit, metadata_max: int, effects: Effects
    ) -> GroupRefusal | None:
        if len(one.metadata) > metadata_max or not fits(one.metadata):
            return _TOO_LARGE
        topic_id = self._topic_id(one.topic)
        if topic_id and one.topic_id not in (b"", topic_id):
            return _UNKNOWN_TOPIC
        now_ms = effects.wall_ms
        expires_at_ms = _expires_at_ms(one.retention_ms, now_ms)
        value = StoredOffset(
            one.offset,
            # The record of an offset that expires has no room for it.
            one.leader_epoch if expires_at_ms < 0 else -1,
            one.metadata,
            one.committed_at_ms if one.committed_at_ms > 0 else now_ms,
            expires_at_ms,
            one.topic_id or topic_id,
        )
        self._set(one.topic, one.partition, value)
        effects.records.append(OffsetRecord(self._group_id, one.topic, one.partition, value))
        return None

    def fetch(self, topics: Sequence[TopicPartitions] | None) -> FetchedOffsets:
        """In the order asked for; of `topics` None all that count."""
        if topics is None:
            ids = {name: self._topic_id(name) for name in self._table}
            counting = (one for one in self._each() if _counts(one[2], ids[one[0]]))
            return FetchedOffsets([_committed(*one) for one in counting])
        found: list[CommittedOffset] = []
        for asked in topics:
            topic_id = asked.topic_id or self._topic_id(asked.topic)
            partitions = self._table.get(asked.topic, {})
            for index in asked.partitions:
                stored = partitions.get(index)
                if stored is not None and not _counts(stored, topic_id):
                    stored = None
                found.append(_committed(asked.topic, index, stored))
        return FetchedOffsets(found)

    def delete(self, topic: str, partition: int, effects: Effects) -> None:
        """Writes nothing where there is no offset."""
        if partition in self._table.get(topic, {}):
            self._set(topic, partition, None)
            effects.records.append(OffsetRecord(self._group_id, topic, partition, None))

    def delete_where(
        self, is_gone: Callable[[str, int, StoredOffset], bool], effects: Effects
    ) -> None:
        gone = [
            (topic, partition)
            for topic, partition, one in self._each()
            if is_gone(topic, partition, one)
        ]
        for topic, partition in gone:
            self.delete(topic, partition, effects)

    def confirm(self) -> None:
        """What has changed is given to the log, and stays."""
        self._before.clear()

    def roll_back(self) -> None:
        """Takes back what has changed since the last `confirm`."""
        changes, self._before = self._before, []
        for topic, partition, before in reversed(changes):
            self._set(topic, partition, before)
        self._before.clear()

    def _set(self, topic: str, partition: int, value: StoredOffset | None) -> None:
        partitions = self._table.get(topic, {})
        # Before anything changes: it may be taken back from the middle of this.
        self._before.append((topic, partition, partitions.get(partition)))
        if value is not None:
            partitions[partition] = value
            self._table[topic] = partitions
            return
        partitions.pop(partition, None)
        if not partitions:
            self._table.pop(topic, None)

    def _topic_id(self, name: str) -> bytes:
        """Empty where no topic has the name."""
        topic = self._view.topic(name)
        return b"" if topic is None else topic.topic_id

    def _each(self) -> Iterator[tuple[str, int, StoredOffset]]:
        for topic, partitions in self._table.items():
            for partition, stored in partitions.items():
                yield topic, partition, stored


def _expires_at_ms(retention_ms: int, now_ms: int) -> int:
    """Milliseconds since the epoch, or -1 where the commit does not say how long it is kept.

    Kafka's sum wraps around (OffsetMetadataManager), so that a retention of Long.MAX_VALUE ends in
    the past; here it lasts for ever.
    """
    if retention_ms == NO_RETENTION:
        return -1
    return min(max(now_ms + retention_ms, 0), _TIME_MAX_MS)


def _counts(stored: StoredOffset, topic_id: bytes) -> bool:
    """An id that is not known agrees with every other (OffsetMetadataManager.isMismatchedTopicId).

    Commits before version 4 of Kafka's record have none, and a topic may be too new for the view.
    """
    return not stored.topic_id or not topic_id or stored.topic_id == topic_id


def _committed(topic: str, partition: int, stored: StoredOffset | None) -> CommittedOffset:
    if stored is None:
        return CommittedOffset(topic, partition)
    return CommittedOffset(topic, partition, stored.offset, stored.leader_epoch, stored.metadata)
