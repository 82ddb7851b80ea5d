"""What `ringlog groups describe` shows of a group, as values."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from common.ports.classic_groups import DescribedGroup
from common.ports.consumer_groups import ConsumerGroup
from common.ports.group_offsets import CommittedOffset
from ringlog.cli.groups.assignment import assigned_partitions

#: Topic and partition.
TopicPartition: TypeAlias = tuple[str, int]


class PartitionLag(NamedTuple):
    """How far a group is in one partition. None: not committed, or no such log any more."""

    topic: str
    partition: int
    committed: int | None
    end: int | None
    member_id: str | None

    @property
    def lag(self) -> int | None:
        """How many offsets are between what was committed and the log's end."""
        if self.committed is None or self.end is None:
            return None
        return max(self.end - self.committed, 0)


class MemberReport(NamedTuple):
    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    partitions: Sequence[TopicPartition]


class FoundGroup(NamedTuple):
    """A group of either type, as its coordinator describes it."""

    group_id: str
    state: str
    assignor: str
    members: Sequence[MemberReport]


@dataclass(frozen=True)
class GroupReport:
    """A group: who coordinates it, who is in it, how far it is."""

    group_id: str
    state: str
    assignor: str
    coordinator: str
    members: Sequence[MemberReport]
    partitions: Sequence[PartitionLag]

    @property
    def lag(self) -> int:
        """Over all partitions of which it is known."""
        return sum(one.lag or 0 for one in self.partitions)


def report(
    found: FoundGroup,
    committed: Iterable[CommittedOffset],
    ends: Mapping[TopicPartition, int],
    *,
    coordinator: str,
) -> GroupReport:
    """Every partition that was committed or is assigned, by topic and partition."""
    owners = {where: one.member_id for one in found.members for where in one.partitions}
    offsets = {(one.topic, one.partition): one.offset for one in committed if one.offset >= 0}
    partitions = [
        PartitionLag(*where, offsets.get(where), ends.get(where), owners.get(where))
        for where in sorted({*owners, *offsets})
    ]
    return GroupReport(
        found.group_id, found.state, found.assignor, coordinator, found.members, partitions
    )


def classic_group(group: DescribedGroup) -> FoundGroup:
    """A group whose leader assigns."""
    members = [
        MemberReport(
            one.member_id,
            one.group_instance_id,
            *one.client,
            sorted(assigned_partitions(one.assignment)),
        )
        for one in group.members
    ]
    return FoundGroup(group.group_id, group.state, group.protocol_name, members)


def consumer_group(group: ConsumerGroup, name_of: Callable[[bytes], str]) -> FoundGroup:
    """A group whose coordinator assigns (KIP-848). `name_of` finds a topic's name by its id."""
    members = [
        MemberReport(
            one.member_id,
            one.instance_id,
            *one.client,
            sorted(
                (name_of(owned.topic_id), p) for owned in one.assignment for p in owned.partitions
            ),
        )
        for one in group.members
    ]
    return FoundGroup(group.group_id, group.state, group.assignor, members)
