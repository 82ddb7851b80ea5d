"""What the log says of a group's members: the last value of each key.

A group keeps it beside its members, so that a call that fails halfway can be taken back.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from partition_svc.coordinator.records.stored import GroupRecord, StoredGroup
from partition_svc.coordinator.records.stored_consumer import ConsumerRecord


@dataclass(slots=True)
class LoggedMembers:
    """`stored`: as a classic group; `consumer`: as a consumer group, by kind of record and member.

    Values are shared with the members, not copied.
    """

    stored: StoredGroup | None = None
    consumer: dict[tuple[str, ...], ConsumerRecord] = field(default_factory=dict)

    def replay(self, record: GroupRecord | ConsumerRecord) -> None:
        """Takes over the next record: a tombstone ends what came before under its key."""
        if isinstance(record, GroupRecord):
            self.stored = record.value
        elif record.value is None:
            self.consumer.pop(_key(record), None)
        else:
            self.consumer[_key(record)] = record

    def tombstones(self, group_id: str) -> list[GroupRecord | ConsumerRecord]:
        """Records that end everything."""
        ends: list[GroupRecord | ConsumerRecord] = [
            one._replace(value=None) for one in self.consumer.values()
        ]
        if self.stored is not None:
            ends.append(GroupRecord(group_id, None))
        return ends


def logged_members(stored: StoredGroup | None, consumer: Iterable[ConsumerRecord]) -> LoggedMembers:
    return LoggedMembers(stored, {_key(one): one for one in consumer})


def _key(record: ConsumerRecord) -> tuple[str, ...]:
    return (type(record).__name__, *record[1:-1])
