"""The records of a group's members in the log: the last value of each key.

A group keeps them beside its members, so that a request that fails halfway can be rolled back.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from partition_svc.coordinator.records.stored import GroupRecord, StoredGroup
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


def logged_members(stored: StoredGroup | None, consumer: Iterable[ConsumerRecord]) -> LoggedMembers:
    return LoggedMembers(stored, {_key(record): record for record in consumer})


def _key(record: ConsumerRecord) -> tuple[str, ...]:
    return (type(record).__name__, *record[1:-1])
