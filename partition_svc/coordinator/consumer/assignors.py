"""Server-side assignors of consumer groups: which member reads which partitions.

Pure functions of the members' subscriptions and their last targets. Kafka: UniformAssignor,
RangeAssignor.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from partition_svc.coordinator.records.stored_consumer import (
    EMPTY_ASSIGNMENT,
    Assignment,
    TopicPartition,
)


class Subscriber(NamedTuple):
    """A member. `topic_ids`: its existing subscribed topics. `before`: its last target."""

    member_id: str
    instance_id: str | None
    topic_ids: frozenset[bytes]
    before: Assignment = EMPTY_ASSIGNMENT


Assign: TypeAlias = Callable[[Sequence[Subscriber], Mapping[bytes, int]], dict[str, Assignment]]


def assign_ranges(
    subscribers: Sequence[Subscriber], counts: Mapping[bytes, int]
) -> dict[str, Assignment]:
    """Assigns each member a range of each topic; static members first, by instance id.

    Kafka: RangeAssignor.sortMemberIds.
    """

    def rank(member: Subscriber) -> tuple[bool, str, str]:
        return member.instance_id is None, member.instance_id or "", member.member_id

    ordered = sorted(subscribers, key=rank)
    assigned: dict[str, set[TopicPartition]] = {member.member_id: set() for member in ordered}
    for topic_id, count in counts.items():
        readers = [member.member_id for member in ordered if topic_id in member.topic_ids]
        start = 0
        for position, member_id in enumerate(readers):
            end = start + count // len(readers) + (position < count % len(readers))
            assigned[member_id].update((topic_id, partition) for partition in range(start, end))
            start = end
    return {member_id: frozenset(partitions) for member_id, partitions in assigned.items()}


def assign_uniformly(
    subscribers: Sequence[Subscriber], counts: Mapping[bytes, int]
) -> dict[str, Assignment]:
    """Assigns partitions as evenly as subscriptions allow, and moves as few as that takes."""
    return _UniformAssignment(subscribers, counts).result()


#: Assignors by name; the first is the default (group.consumer.assignors).
ASSIGNORS: Final[Mapping[str, Assign]] = {"uniform": assign_uniformly, "range": assign_ranges}


class _UniformAssignment:
    def __init__(self, subscribers: Sequence[Subscriber], counts: Mapping[bytes, int]) -> None:
        ordered = sorted(subscribers, key=lambda member: member.member_id)
        self._readers: dict[bytes, list[str]] = {topic_id: [] for topic_id in counts}
        for member in ordered:
            for topic_id in member.topic_ids & counts.keys():
                self._readers[topic_id].append(member.member_id)
        self._assigned: dict[str, dict[bytes, list[int]]] = {
            member.member_id: {} for member in ordered
        }
        self._load = dict.fromkeys(self._assigned, 0)
        kept: set[TopicPartition] = set()
        for member in ordered:
            kept |= self._keep(member, member.before - kept, counts)
        for topic_id, count in counts.items():
            missing = (index for index in range(count) if (topic_id, index) not in kept)
            for partition in missing if self._readers[topic_id] else ():
                self._assign(self._least_loaded(topic_id), topic_id, partition)
        while self._balance():
            pass

    def result(self) -> dict[str, Assignment]:
        return {
            member_id: frozenset(
                (topic_id, partition)
                for topic_id, partitions in topics.items()
                for partition in partitions
            )
            for member_id, topics in self._assigned.items()
        }

    def _keep(
        self, member: Subscriber, before: Assignment, counts: Mapping[bytes, int]
    ) -> set[TopicPartition]:
        """Assigns a member the existing partitions of `before` that it still subscribes to."""
        kept = {
            (topic_id, partition)
            for topic_id, partition in before
            if topic_id in member.topic_ids and partition < counts.get(topic_id, 0)
        }
        for topic_id, partition in sorted(kept):
            self._assign(member.member_id, topic_id, partition)
        return kept

    def _assign(self, member_id: str, topic_id: bytes, partition: int) -> None:
        self._assigned[member_id].setdefault(topic_id, []).append(partition)
        self._load[member_id] += 1

    def _least_loaded(self, topic_id: bytes) -> str:
        return min(self._readers[topic_id], key=self._load.__getitem__)

    def _balance(self) -> bool:
        """Moves partitions from members with more to members with less; False if none moved.

        Repeating it ends: every move makes the sum of the squared loads smaller.
        """
        moved = False
        for member_id in sorted(self._load, key=self._load.__getitem__, reverse=True):
            for topic_id, partitions in self._assigned[member_id].items():
                while partitions:
                    other = self._least_loaded(topic_id)
                    if self._load[member_id] - self._load[other] < 2:
                        break
                    self._assign(other, topic_id, partitions.pop())
                    self._load[member_id] -= 1
                    moved = True
        return moved
