"""The report of `ringlog groups describe`, as values."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from common.ports.classic_groups import DescribedGroup
from common.ports.consumer_groups import DescribedConsumerGroup
from common.ports.group_offsets import CommittedOffset
from ringlog.cli.groups.assignment import assigned_partitions

#: Topic and partition.
TopicPartition: TypeAlias = tuple[str, int]


class PartitionLag(NamedTuple):
    """The progress of a group in one partition. None: not committed, or the log is deleted."""

    topic: str
    partition: int
    committed: int | None
    end: int | None
    member_id: str | None

    @property
    def lag(self) -> int | None:
        """Offsets between the committed one and the end of the log."""
        if self.committed is None or self.end is None:
            return None
        return max(self.end - self.committed, 0)


class GroupMemberReport(NamedTuple):
    """A member of a group of either type."""

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    partitions: Sequence[TopicPartition]


class GroupDescription(NamedTuple):
    """A group of either type, as its coordinator describes it."""

    group_id: str
    state: str
    assignor: str
    members: Sequence[GroupMemberReport]


@dataclass(frozen=True)
class GroupReport:
    """A group with its coordinator, its members and its progress."""

    group_id: str
    state: str
    assignor: str
    coordinator: str
    members: Sequence[GroupMemberReport]
    partitions: Sequence[PartitionLag]

    @property
    def lag(self) -> int:
        """The sum over all partitions whose lag is known."""
        return sum(partition.lag or 0 for partition in self.partitions)


def report(
    group: GroupDescription,
    committed: Iterable[CommittedOffset],
    ends: Mapping[TopicPartition, int],
    *,
    coordinator: str,
) -> GroupReport:
    """Returns the group with every committed or assigned partition, in order.

    `ends` are the log end offsets that are known.
    """
    owners = {
        partition: member.member_id for member in group.members for partition in member.partitions
    }
    offsets = {
        (offset.topic, offset.partition): offset.offset
        for offset in committed
        if offset.offset >= 0
    }
    partitions = [
        PartitionLag(
            topic=partition[0],
            partition=partition[1],
            committed=offsets.get(partition),
            end=ends.get(partition),
            member_id=owners.get(partition),
        )
        for partition in sorted({*owners, *offsets})
    ]
    return GroupReport(
        group_id=group.group_id,
        state=group.state,
        assignor=group.assignor,
        coordinator=coordinator,
        members=group.members,
        partitions=partitions,
    )


def classic_group(group: DescribedGroup) -> GroupDescription:
    """Describes a group of the classic protocol."""
    members = [
        GroupMemberReport(
            member.member_id,
            member.group_instance_id,
            *member.client,
            sorted(assigned_partitions(member.assignment)),
        )
        for member in group.members
    ]
    return GroupDescription(group.group_id, group.state, group.protocol_name, members)


def consumer_group(
    group: DescribedConsumerGroup, name_of: Callable[[bytes], str]
) -> GroupDescription:
    """Describes a group of the consumer protocol (KIP-848). `name_of` maps topic ids to names."""
    members = [
        GroupMemberReport(
            member.member_id,
            member.instance_id,
            *member.client,
            sorted(
                (name_of(owned.topic_id), index)
                for owned in member.assignment
                for index in owned.partitions
            ),
        )
        for member in group.members
    ]
    return GroupDescription(group.group_id, group.state, group.assignor, members)
