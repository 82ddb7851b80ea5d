"""The operations of `ringlog groups`, over the ports to coordinators and partitions."""

from collections.abc import Sequence
from typing import Final

from common.client.groups.fan_out import call_each
from common.cluster.group_partitions import group_partition
from common.cluster.view import ClusterView
from common.ports.classic_groups import DeleteGroup, DescribeGroup, ListedGroups, ListGroups
from common.ports.consumer_groups import DescribeConsumerGroup
from common.ports.coordinators import OFFSETS_TOPIC, Coordinators
from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import CommitOffsets, CommittedOffset, FetchOffsets, OffsetToCommit
from common.ports.metadata import Topic
from common.ports.partitions import (
    EARLIEST_TIMESTAMP,
    LATEST_TIMESTAMP,
    LogId,
    OffsetQuery,
    Partitions,
)
from ringlog.cli.actions import CommandFailed
from ringlog.cli.groups.report import (
    GroupDescription,
    GroupReport,
    TopicPartition,
    classic_group,
    consumer_group,
    report,
)
from ringlog.cli.groups.reset import LogEnds, OffsetChange, Target, new_offset, timestamp_of

#: States of a group without members; Dead is also the state of a group that does not exist.
_WITHOUT_MEMBERS: Final = ("Empty", "Dead")

#: Errors for a commit from outside the group while it has members.
_HAS_MEMBERS: Final = (
    GroupRefusal.UNKNOWN_MEMBER_ID,
    GroupRefusal.NON_EMPTY_GROUP,
    GroupRefusal.REBALANCE_IN_PROGRESS,
)


class GroupsAdmin:
    """All methods raise `BackendUnavailable`, and `CommandFailed` as documented."""

    def __init__(
        self, view: ClusterView, coordinators: Coordinators, partitions: Partitions
    ) -> None:
        self._view = view
        self._coordinators = coordinators
        self._partitions = partitions

    async def list_groups(self, states: Sequence[str]) -> ListedGroups:
        """Returns all groups by id, or only those in one of `states` if any is given.

        Partition services that did not respond are named in `unanswered`.
        """
        if self._view.topic(OFFSETS_TOPIC) is None:
            return ListedGroups()
        reply = await self._coordinators.list_groups(ListGroups(states))
        _require_success(reply.refusal, "groups were not listed")
        return reply

    async def describe(self, group_id: str) -> GroupReport:
        """Raises `CommandFailed` if there is no such group."""
        group, topic = await self._find_group(group_id), self._view.topic(OFFSETS_TOPIC)
        if group is None or topic is None:
            raise CommandFailed(f"there is no group {group_id!r}")
        committed = await self._committed(group_id)
        partitions = {(offset.topic, offset.partition) for offset in committed}
        partitions.update(assigned for member in group.members for assigned in member.partitions)
        ends = await self._log_ends(sorted(partitions))
        placement = topic.partitions[group_partition(group_id, len(topic.partitions))]
        return report(group, committed, ends, coordinator=placement.owner)

    async def plan_reset(
        self, group_id: str, name: str, partitions: Sequence[int] | None, target: Target
    ) -> list[OffsetChange]:
        """Returns what a reset would commit, and changes nothing. `partitions` None means all.

        Raises:
            CommandFailed: there is no such topic or partition, or its log is not available.
        """
        topic = self._topic(name, partitions)
        indexes = range(len(topic.partitions)) if partitions is None else partitions
        starts = await self._offsets(topic, indexes, EARLIEST_TIMESTAMP)
        ends = await self._offsets(topic, indexes, LATEST_TIMESTAMP)
        results = await self._offsets(topic, indexes, timestamp_of(target))
        before = {
            committed.partition: committed.offset
            for committed in await self._committed(group_id)
            if committed.topic == name and committed.offset >= 0
        }
        after = [
            new_offset(target, LogEnds(start, end), result)
            for start, end, result in zip(starts, ends, results, strict=True)
        ]
        return [
            OffsetChange(name, index, before.get(index), offset)
            for index, offset in zip(indexes, after, strict=True)
        ]

    async def reset(self, group_id: str, changes: Sequence[OffsetChange]) -> None:
        """Commits the new offsets of a group, which may be new.

        Raises:
            CommandFailed: the group has members, or an offset was not committed.
        """
        await self.require_no_members(group_id)
        commits = [
            OffsetToCommit(
                change.topic,
                change.partition,
                change.after,
                topic_id=self._topic_id(change.topic),
            )
            for change in changes
        ]
        reply = await self._coordinators.call(CommitOffsets(group_id, commits))
        # Members may have joined since.
        for refusal in (reply.refusal, *reply.refusals):
            if refusal in _HAS_MEMBERS:
                raise CommandFailed(f"group {group_id!r} has members; stop them first")
            _require_success(refusal, f"offsets of {group_id!r} were not changed")

    async def require_no_members(self, group_id: str) -> None:
        """Raises `CommandFailed` if the group has members."""
        group = await self._find_group(group_id)
        if group is None or (not group.members and group.state in _WITHOUT_MEMBERS):
            return
        count = len(group.members)
        members = f"{count} member" if count == 1 else f"{count} members"
        raise CommandFailed(f"group {group_id!r} is {group.state} with {members}; stop them first")

    async def delete(self, group_id: str) -> None:
        """Raises `CommandFailed` if there is no such group, or it has members."""
        if await self._find_group(group_id) is None:
            raise CommandFailed(f"there is no group {group_id!r}")
        await self.require_no_members(group_id)
        (reply,) = await call_each(self._coordinators, [DeleteGroup(group_id)])
        _require_success(reply.refusal, f"group {group_id!r} was not deleted")

    async def _find_group(self, group_id: str) -> GroupDescription | None:
        if self._view.topic(OFFSETS_TOPIC) is None:
            return None
        (classic,) = await call_each(self._coordinators, [DescribeGroup(group_id)])
        if classic.refusal is None and classic.state != "Dead":
            return classic_group(classic)
        if classic.refusal is not GroupRefusal.GROUP_ID_NOT_FOUND:
            _require_success(classic.refusal, f"group {group_id!r} was not described")
        (modern,) = await call_each(self._coordinators, [DescribeConsumerGroup(group_id)])
        if modern.refusal is not None or modern.state in ("", "Dead"):
            return None
        return consumer_group(modern, self._topic_name)

    async def _committed(self, group_id: str) -> Sequence[CommittedOffset]:
        if self._view.topic(OFFSETS_TOPIC) is None:
            return []
        reply = await self._coordinators.call(FetchOffsets(group_id))
        if reply.refusal is GroupRefusal.GROUP_ID_NOT_FOUND:
            return []
        _require_success(reply.refusal, f"offsets of {group_id!r} were not read")
        return reply.offsets

    async def _log_ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Returns the log end offsets, without deleted topics and logs that are not available."""
        topics = {name: self._view.topic(name) for name, _ in partitions}
        queries = {
            (name, index): OffsetQuery(LogId(topic.topic_id, index), LATEST_TIMESTAMP)
            for name, index in partitions
            if (topic := topics[name]) is not None
        }
        results = await self._partitions.list_offsets([*queries.values()]) if queries else []
        pairs = zip(queries, results, strict=True)
        return {partition: result.offset for partition, result in pairs if result.refusal is None}

    async def _offsets(self, topic: Topic, partitions: Sequence[int], timestamp: int) -> list[int]:
        queries = [OffsetQuery(LogId(topic.topic_id, index), timestamp) for index in partitions]
        results = await self._partitions.list_offsets(queries)
        for index, result in zip(partitions, results, strict=True):
            if result.refusal is not None:
                raise CommandFailed(f"no offsets of {topic.name}-{index}: {result.refusal.name}")
        return [result.offset for result in results]

    def _topic(self, name: str, partitions: Sequence[int] | None) -> Topic:
        topic = self._view.topic(name)
        if topic is None:
            raise CommandFailed(f"there is no topic {name!r}")
        count = len(topic.partitions)
        if missing := [index for index in partitions or () if index >= count]:
            raise CommandFailed(f"{name!r} has no partition {missing[0]}, only 0 to {count - 1}")
        return topic

    def _topic_id(self, name: str) -> bytes:
        topic = self._view.topic(name)
        return topic.topic_id if topic is not None else b""

    def _topic_name(self, topic_id: bytes) -> str:
        topic = self._view.topic_by_id(topic_id)
        return topic.name if topic is not None else topic_id.hex()


def _require_success(refusal: GroupRefusal | None, failure: str) -> None:
    if refusal is not None:
        raise CommandFailed(f"{failure}: {refusal.name}")
