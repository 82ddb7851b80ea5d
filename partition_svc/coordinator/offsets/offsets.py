"""The committed offsets of one group, under either protocol.

An offset changes by a commit only, and is deleted by a tombstone only. It is valid while its topic
has the id that it was committed for (KAFKA-19154). Kafka: OffsetMetadataManager.
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
from partition_svc.coordinator.records.result import CoordinatorResult
from partition_svc.coordinator.records.stored import OffsetRecord, StoredOffset

#: Offsets by topic name and partition.
OffsetTable: TypeAlias = dict[str, dict[int, StoredOffset]]

#: The latest time that 64 bits hold.
_TIME_MAX_MS: Final = 2**63 - 1

_TOO_LARGE: Final = GroupRefusal.OFFSET_METADATA_TOO_LARGE
_UNKNOWN_TOPIC: Final = GroupRefusal.UNKNOWN_TOPIC_OR_PARTITION


class GroupOffsets:
    """`table` is owned by this object from now on. `view`: the existing topics, kept current."""

    __slots__ = ("_before", "_group_id", "_table", "_view")

    def __init__(self, group_id: str, table: OffsetTable, view: Topics) -> None:
        self._group_id = group_id
        self._table = table
        self._view = view
        #: Undo log: values from before the changes since the last `confirm`.
        self._before: list[tuple[str, int, StoredOffset | None]] = []

    def __len__(self) -> int:
        return sum(len(partitions) for partitions in self._table.values())

    def __bool__(self) -> bool:
        return bool(self._table)

    def commit(
        self, offsets: Sequence[OffsetToCommit], metadata_max: int, result: CoordinatorResult
    ) -> CommitResult:
        """Commits each offset whose metadata has at most `metadata_max` characters.

        Rejects offsets of a topic that was deleted and created again since the client, or its
        gateway, looked up its id: the new topic's offset must not be overwritten.
        """
        return CommitResult([self._commit(offset, metadata_max, result) for offset in offsets])

    def _commit(
        self, offset: OffsetToCommit, metadata_max: int, result: CoordinatorResult
    ) -> GroupRefusal | None:
        if len(offset.metadata) > metadata_max or not fits(offset.metadata):
            return _TOO_LARGE
        topic_id = self._topic_id(offset.topic)
        if topic_id and offset.topic_id not in (b"", topic_id):
            return _UNKNOWN_TOPIC
        now_ms = result.wall_ms
        expires_at_ms = _expires_at_ms(offset.retention_ms, now_ms)
        value = StoredOffset(
            offset.offset,
            # The record of an offset with a retention has no field for it.
            offset.leader_epoch if expires_at_ms < 0 else -1,
            offset.metadata,
            offset.committed_at_ms if offset.committed_at_ms > 0 else now_ms,
            expires_at_ms,
            offset.topic_id or topic_id,
        )
        self._set(offset.topic, offset.partition, value)
        result.records.append(OffsetRecord(self._group_id, offset.topic, offset.partition, value))
        return None

    def fetch(self, topics: Sequence[TopicPartitions] | None) -> FetchedOffsets:
        """Returns offsets in the order of the request; all valid ones if `topics` is None."""
        if topics is None:
            ids = {name: self._topic_id(name) for name in self._table}
            offsets = [
                _committed(topic, partition, stored)
                for topic, partition, stored in self._each()
                if _is_valid(stored, ids[topic])
            ]
            return FetchedOffsets(offsets)
        found: list[CommittedOffset] = []
        for requested in topics:
            topic_id = requested.topic_id or self._topic_id(requested.topic)
            partitions = self._table.get(requested.topic, {})
            for index in requested.partitions:
                stored = partitions.get(index)
                if stored is not None and not _is_valid(stored, topic_id):
                    stored = None
                found.append(_committed(requested.topic, index, stored))
        return FetchedOffsets(found)

    def delete(self, topic: str, partition: int, result: CoordinatorResult) -> None:
        """Deletes an offset, if there is one."""
        if partition in self._table.get(topic, {}):
            self._set(topic, partition, None)
            result.records.append(OffsetRecord(self._group_id, topic, partition, None))

    def delete_where(
        self, is_deleted: Callable[[str, int, StoredOffset], bool], result: CoordinatorResult
    ) -> None:
        deleted = [
            (topic, partition)
            for topic, partition, stored in self._each()
            if is_deleted(topic, partition, stored)
        ]
        for topic, partition in deleted:
            self.delete(topic, partition, result)

    def confirm(self) -> None:
        """Accepts all changes: their records were passed to the log."""
        self._before.clear()

    def roll_back(self) -> None:
        """Reverts the changes since the last `confirm`."""
        changes, self._before = self._before, []
        for topic, partition, before in reversed(changes):
            self._set(topic, partition, before)
        self._before.clear()

    def _set(self, topic: str, partition: int, value: StoredOffset | None) -> None:
        partitions = self._table.get(topic, {})
        # Before the change, which may be interrupted and rolled back.
        self._before.append((topic, partition, partitions.get(partition)))
        if value is not None:
            partitions[partition] = value
            self._table[topic] = partitions
            return
        partitions.pop(partition, None)
        if not partitions:
            self._table.pop(topic, None)

    def _topic_id(self, name: str) -> bytes:
        """Returns the topic's id, empty if there is no such topic."""
        topic = self._view.topic(name)
        return b"" if topic is None else topic.topic_id

    def _each(self) -> Iterator[tuple[str, int, StoredOffset]]:
        for topic, partitions in self._table.items():
            for partition, stored in partitions.items():
                yield topic, partition, stored


def _expires_at_ms(retention_ms: int, now_ms: int) -> int:
    """Returns milliseconds since the epoch, or -1 if the commit has no retention.

    Kafka's sum wraps around (OffsetMetadataManager), so that a retention of Long.MAX_VALUE ends in
    the past; here the offset never expires.
    """
    if retention_ms == NO_RETENTION:
        return -1
    return min(max(now_ms + retention_ms, 0), _TIME_MAX_MS)


def _is_valid(stored: StoredOffset, topic_id: bytes) -> bool:
    """True if the topic ids match or one is unknown (OffsetMetadataManager.isMismatchedTopicId).

    Records before version 4 of Kafka's format have no id, and the view may lack a new topic.
    """
    return not stored.topic_id or not topic_id or stored.topic_id == topic_id


def _committed(topic: str, partition: int, stored: StoredOffset | None) -> CommittedOffset:
    if stored is None:
        return CommittedOffset(topic, partition)
    return CommittedOffset(topic, partition, stored.offset, stored.leader_epoch, stored.metadata)
