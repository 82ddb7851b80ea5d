"""The committed offsets of one group, whoever its members are.

Kafka: OffsetMetadataManager. An offset changes by a commit only, and goes by a tombstone only.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from common.ports.group_offsets import (
    CommitResult,
    CommittedOffset,
    FetchedOffsets,
    OffsetToCommit,
    TopicPartitions,
)
from common.ports.group_refusal import GroupRefusal
from partition_svc.coordinator.effects import Effects
from partition_svc.coordinator.stored import OffsetRecord, StoredOffset

#: By topic name and partition.
OffsetTable: TypeAlias = dict[str, dict[int, StoredOffset]]

_TOO_LARGE: Final = GroupRefusal.OFFSET_METADATA_TOO_LARGE


class GroupOffsets:
    """`table` is taken over, not copied."""

    __slots__ = ("_group_id", "_table")

    def __init__(self, group_id: str, table: OffsetTable) -> None:
        self._group_id = group_id
        self._table = table

    def __len__(self) -> int:
        return sum(len(partitions) for partitions in self._table.values())

    def __bool__(self) -> bool:
        return bool(self._table)

    def commit(
        self, offsets: Sequence[OffsetToCommit], metadata_max: int, effects: Effects
    ) -> CommitResult:
        """Takes each offset whose metadata is not longer than `metadata_max` characters."""
        return CommitResult([self._commit(one, metadata_max, effects) for one in offsets])

    def _commit(
        self, one: OffsetToCommit, metadata_max: int, effects: Effects
    ) -> GroupRefusal | None:
        if len(one.metadata) > metadata_max:
            return _TOO_LARGE
        value = StoredOffset(
            one.offset,
            one.leader_epoch,
            one.metadata,
            effects.now_ms,
            one.expires_at_ms,
            one.topic_id,
        )
        self._table.setdefault(one.topic, {})[one.partition] = value
        effects.records.append(OffsetRecord(self._group_id, one.topic, one.partition, value))
        return None

    def fetch(self, topics: Sequence[TopicPartitions] | None) -> FetchedOffsets:
        """In the order asked for; of `topics` None all that there are."""
        if topics is None:
            return FetchedOffsets([_committed(*one) for one in self._each()])
        found: list[CommittedOffset] = []
        for asked in topics:
            partitions = self._table.get(asked.topic, {})
            found += [_committed(asked.topic, one, partitions.get(one)) for one in asked.partitions]
        return FetchedOffsets(found)

    def delete(self, topic: str, partition: int, effects: Effects) -> None:
        """Writes nothing where there is no offset."""
        partitions = self._table.get(topic, {})
        if partitions.pop(partition, None) is not None:
            effects.records.append(OffsetRecord(self._group_id, topic, partition, None))
        if not partitions:
            self._table.pop(topic, None)

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

    def _each(self) -> Iterator[tuple[str, int, StoredOffset]]:
        for topic, partitions in self._table.items():
            for partition, stored in partitions.items():
                yield topic, partition, stored


def _committed(topic: str, partition: int, stored: StoredOffset | None) -> CommittedOffset:
    if stored is None:
        return CommittedOffset(topic, partition)
    return CommittedOffset(topic, partition, stored.offset, stored.leader_epoch, stored.metadata)
