"""The records of a group in the log: the last value of each key.

A group keeps them beside its members, so that a request that fails halfway can be rolled back.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from partition_svc.coordinator.records.result import Record
from partition_svc.coordinator.records.stored import (
    GroupRecord,
    OffsetRecord,
    StoredGroup,
    StoredOffset,
)
from partition_svc.coordinator.records.stored_consumer import ConsumerRecord


@dataclass(slots=True)
class LoggedMembers:
    """`stored`: of a classic group. `consumer`: of a consumer group, by kind of record and member.

    Values are shared with the members, not copied.
    """

    stored: StoredGroup | None = None
    consumer: dict[tuple[str, ...], ConsumerRecord] = field(default_factory=dict)

    def replay(self, record: GroupRecord | ConsumerRecord) -> None:
        """Applies the next record; a tombstone deletes the record of its key."""
        if isinstance(record, GroupRecord):
            self.stored = record.value
        elif record.value is None:
            self.consumer.pop(_key(record), None)
        else:
            self.consumer[_key(record)] = record

    def tombstones(self, group_id: str) -> list[GroupRecord | ConsumerRecord]:
        """Returns records that delete all others."""
        tombstones: list[GroupRecord | ConsumerRecord] = [
            record._replace(value=None) for record in self.consumer.values()
        ]
        if self.stored is not None:
            tombstones.append(GroupRecord(group_id, None))
        return tombstones


@dataclass(slots=True)
class LoadedGroup(LoggedMembers):
    """The records of one group. `offsets`: by topic, then partition."""

    offsets: dict[str, dict[int, StoredOffset]] = field(default_factory=dict)

    @property
    def is_there(self) -> bool:
        """True if the group has any record that is not a tombstone."""
        return bool(self.stored or self.offsets or self.consumer)

    def add(self, record: Record) -> None:
        """Applies the next record: a tombstone deletes the record of the same key."""
        if isinstance(record, OffsetRecord):
            self._add_offset(record)
        else:
            self.replay(record)

    def _add_offset(self, record: OffsetRecord) -> None:
        _, topic, partition, value = record
        partitions = self.offsets.get(topic)
        if partitions is None:
            partitions = self.offsets[topic] = {}
        if value is not None:
            partitions[partition] = value
            return
        partitions.pop(partition, None)
        if not partitions:
            del self.offsets[topic]


def logged_members(stored: StoredGroup | None, consumer: Iterable[ConsumerRecord]) -> LoggedMembers:
    return LoggedMembers(stored, {_key(record): record for record in consumer})


def _key(record: ConsumerRecord) -> tuple[str, ...]:
    return (type(record).__name__, *record[1:-1])
