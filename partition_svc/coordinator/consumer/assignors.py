"""Server-side assignors of consumer groups: who is to read what.

Pure functions of the members' subscriptions and of what they were to have before. Kafka:
UniformAssignor, RangeAssignor.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from partition_svc.coordinator.records.stored_consumer import (
    EMPTY_ASSIGNMENT,
    Assignment,
    TopicPartition,
)


class Subscriber(NamedTuple):
    """`topic_ids`: of existing topics only. `before`: its last target."""

    member_id: str
    instance_id: str | None
    topic_ids: frozenset[bytes]
    before: Assignment = EMPTY_ASSIGNMENT


Assign: TypeAlias = Callable[[Sequence[Subscriber], Mapping[bytes, int]], dict[str, Assignment]]


def assign_ranges(
    subscribers: Sequence[Subscriber], counts: Mapping[bytes, int]
) -> dict[str, Assignment]:
    """Of each topic a run of partitions for each member: static ones first, by instance id.

    Kafka: RangeAssignor.sortMemberIds.
    """

    def rank(one: Subscriber) -> tuple[bool, str, str]:
        return one.instance_id is None, one.instance_id or "", one.member_id

    ordered = sorted(subscribers, key=rank)
    given: dict[str, set[TopicPartition]] = {one.member_id: set() for one in ordered}
    for topic_id, count in counts.items():
        readers = [one.member_id for one in ordered if topic_id in one.topic_ids]
        start = 0
        for place, member_id in enumerate(readers):
            end = start + count // len(readers) + (place < count % len(readers))
            given[member_id].update((topic_id, partition) for partition in range(start, end))
            start = end
    return {member_id: frozenset(partitions) for member_id, partitions in given.items()}


def assign_uniformly(
    subscribers: Sequence[Subscriber], counts: Mapping[bytes, int]
) -> dict[str, Assignment]:
    """As even as subscriptions allow, with as few partitions changing hands as that takes."""
    return _Uniform(subscribers, counts).given()


#: By name; the first is the default (group.consumer.assignors).
ASSIGNORS: Final[Mapping[str, Assign]] = {"uniform": assign_uniformly, "range": assign_ranges}


class _Uniform:
    def __init__(self, subscribers: Sequence[Subscriber], counts: Mapping[bytes, int]) -> None:
        ordered = sorted(subscribers, key=lambda one: one.member_id)
        self._readers: dict[bytes, list[str]] = {topic_id: [] for topic_id in counts}
        for one in ordered:
            for topic_id in one.topic_ids & counts.keys():
                self._readers[topic_id].append(one.member_id)
        self._given: dict[str, dict[bytes, list[int]]] = {one.member_id: {} for one in ordered}
        self._load = dict.fromkeys(self._given, 0)
        taken: set[TopicPartition] = set()
        for one in ordered:
            taken |= self._keep(one, one.before - taken, counts)
        for topic_id, count in counts.items():
            missing = (one for one in range(count) if (topic_id, one) not in taken)
            for partition in missing if self._readers[topic_id] else ():
                self._give(self._idlest(topic_id), topic_id, partition)
        while self._balance():
            pass

    def given(self) -> dict[str, Assignment]:
        return {
            member_id: frozenset(
                (topic_id, partition)
                for topic_id, partitions in topics.items()
                for partition in partitions
            )
            for member_id, topics in self._given.items()
        }

    def _keep(
        self, one: Subscriber, before: Assignment, counts: Mapping[bytes, int]
    ) -> set[TopicPartition]:
        """Leaves with a member what it had, as far as that exists and is read."""
        kept = {
            (topic_id, partition)
            for topic_id, partition in before
            if topic_id in one.topic_ids and partition < counts.get(topic_id, 0)
        }
        for topic_id, partition in sorted(kept):
            self._give(one.member_id, topic_id, partition)
        return kept

    def _give(self, member_id: str, topic_id: bytes, partition: int) -> None:
        self._given[member_id].setdefault(topic_id, []).append(partition)
        self._load[member_id] += 1

    def _idlest(self, topic_id: bytes) -> str:
        return min(self._readers[topic_id], key=self._load.__getitem__)

    def _balance(self) -> bool:
        """Moves partitions from who has more to who has less; whether there were any.

        It ends: every move makes the sum of the squared loads smaller.
        """
        moved = False
        for member_id in sorted(self._load, key=self._load.__getitem__, reverse=True):
            for topic_id, partitions in self._given[member_id].items():
                while partitions:
                    other = self._idlest(topic_id)
                    if self._load[member_id] - self._load[other] < 2:
                        break
                    self._give(other, topic_id, partitions.pop())
                    self._load[member_id] -= 1
                    moved = True
        return moved
