"""What operators do with consumer groups, over the ports to coordinators and partitions."""

from collections.abc import Sequence
from typing import Final

from common.cluster.group_partitions import group_partition
from common.cluster.view import ClusterView
from common.ports.classic_groups import ListedGroups, ListGroups
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
from ringlog.cli.groups.report import (
    FoundGroup,
    GroupReport,
    TopicPartition,
    classic_group,
    consumer_group,
    report,
)
from ringlog.cli.groups.reset import LogEnds, NewOffset, Target, new_offset, timestamp_of

#: States in which a group has no members; Dead is also what is said of one that never was.
_WITHOUT_MEMBERS: Final = ("Empty", "Dead")

#: What coordinators say of a commit from outside while there are members.
_HAS_MEMBERS: Final = (
    GroupRefusal.UNKNOWN_MEMBER_ID,
    GroupRefusal.NON_EMPTY_GROUP,
    GroupRefusal.REBALANCE_IN_PROGRESS,
)


class NotDone(Exception):
    """What was asked for was not done. The text says why."""


class GroupsAdmin:
    """Every method raises `BackendUnavailable`, and `NotDone` as it says."""

    def __init__(
        self, view: ClusterView, coordinators: Coordinators, partitions: Partitions
    ) -> None:
        self._view = view
        self._coordinators = coordinators
        self._partitions = partitions

    async def listed(self, states: Sequence[str]) -> ListedGroups:
        """All groups by id; only those in one of `states` where some are given.

        Members that do not answer are named in `unanswered`.
        """
        if self._view.topic(OFFSETS_TOPIC) is None:
            return ListedGroups()
        answer = await self._coordinators.list_groups(ListGroups(states))
        _must_be_done(answer.refusal, "groups were not listed")
        return answer

    async def describe(self, group_id: str) -> GroupReport:
        """Raises `NotDone` where there is no such group."""
        found, topic = await self._found(group_id), self._view.topic(OFFSETS_TOPIC)
        if found is None or topic is None:
            raise NotDone(f"there is no group {group_id!r}")
        committed = await self._committed(group_id)
        wanted = {(one.topic, one.partition) for one in committed}
        wanted.update(where for member in found.members for where in member.partitions)
        ends = await self._log_ends(sorted(wanted))
        placement = topic.partitions[group_partition(group_id, len(topic.partitions))]
        return report(found, committed, ends, coordinator=placement.owner)

    async def plan_reset(
        self, group_id: str, name: str, partitions: Sequence[int] | None, target: Target
    ) -> list[NewOffset]:
        """What a reset would commit; nothing is changed. All partitions where none is named.

        Raises:
            NotDone: there is no such topic or partition, or its log does not answer.
        """
        topic = self._topic(name, partitions)
        indexes = range(len(topic.partitions)) if partitions is None else partitions
        starts = await self._offsets(topic, indexes, EARLIEST_TIMESTAMP)
        ends = await self._offsets(topic, indexes, LATEST_TIMESTAMP)
        found = await self._offsets(topic, indexes, timestamp_of(target))
        before = {
            one.partition: one.offset
            for one in await self._committed(group_id)
            if one.topic == name and one.offset >= 0
        }
        return [
            NewOffset(name, index, before.get(index), new_offset(target, LogEnds(start, end), at))
            for index, start, end, at in zip(indexes, starts, ends, found, strict=True)
        ]

    async def reset(self, group_id: str, offsets: Sequence[NewOffset]) -> None:
        """Commits them for a group without members, which may be a new one. Else `NotDone`."""
        await self.must_be_without_members(group_id)
        commits = [
            OffsetToCommit(one.topic, one.partition, one.after, topic_id=self._id_of(one.topic))
            for one in offsets
        ]
        answer = await self._coordinators.commit_offsets(CommitOffsets(group_id, commits))
        # Members may have come since.
        for refusal in (answer.refusal, *answer.refusals):
            if refusal in _HAS_MEMBERS:
                raise NotDone(f"group {group_id!r} has members; stop them first")
            _must_be_done(refusal, f"offsets of {group_id!r} were not changed")

    async def must_be_without_members(self, group_id: str) -> None:
        """Raises `NotDone` where there are some."""
        found = await self._found(group_id)
        if found is None or (not found.members and found.state in _WITHOUT_MEMBERS):
            return
        count = len(found.members)
        members = f"{count} member" if count == 1 else f"{count} members"
        raise NotDone(f"group {group_id!r} is {found.state} with {members}; stop them first")

    async def delete(self, group_id: str) -> None:
        """Raises `NotDone` where there is no such group, or it has members."""
        if await self._found(group_id) is None:
            raise NotDone(f"there is no group {group_id!r}")
        await self.must_be_without_members(group_id)
        (answer,) = await self._coordinators.delete_groups([group_id])
        _must_be_done(answer.refusal, f"group {group_id!r} was not deleted")

    async def _found(self, group_id: str) -> FoundGroup | None:
        if self._view.topic(OFFSETS_TOPIC) is None:
            return None
        (classic,) = await self._coordinators.describe_groups([group_id])
        if classic.refusal is None and classic.state != "Dead":
            return classic_group(classic)
        if classic.refusal is not GroupRefusal.GROUP_ID_NOT_FOUND:
            _must_be_done(classic.refusal, f"group {group_id!r} was not described")
        (modern,) = await self._coordinators.describe_consumer_groups([group_id])
        if modern.refusal is not None or modern.state in ("", "Dead"):
            return None
        return consumer_group(modern, self._name_of)

    async def _committed(self, group_id: str) -> Sequence[CommittedOffset]:
        if self._view.topic(OFFSETS_TOPIC) is None:
            return []
        answer = await self._coordinators.fetch_offsets(FetchOffsets(group_id))
        if answer.refusal is GroupRefusal.GROUP_ID_NOT_FOUND:
            return []
        _must_be_done(answer.refusal, f"offsets of {group_id!r} were not read")
        return answer.offsets

    async def _log_ends(self, wanted: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Without those of topics that are gone, and of logs that do not answer."""
        topics = {name: self._view.topic(name) for name, _ in wanted}
        known = [(topic, where) for where in wanted if (topic := topics[where[0]]) is not None]
        queries = [
            OffsetQuery(LogId(topic.topic_id, where[1]), LATEST_TIMESTAMP) for topic, where in known
        ]
        answers = await self._partitions.list_offsets(queries) if queries else []
        pairs = zip(known, answers, strict=True)
        return {where: one.offset for (_, where), one in pairs if one.refusal is None}

    async def _offsets(self, topic: Topic, partitions: Sequence[int], timestamp: int) -> list[int]:
        queries = [OffsetQuery(LogId(topic.topic_id, index), timestamp) for index in partitions]
        answers = await self._partitions.list_offsets(queries)
        for index, one in zip(partitions, answers, strict=True):
            if one.refusal is not None:
                raise NotDone(f"no offsets of {topic.name}-{index}: {one.refusal.name}")
        return [one.offset for one in answers]

    def _topic(self, name: str, partitions: Sequence[int] | None) -> Topic:
        topic = self._view.topic(name)
        if topic is None:
            raise NotDone(f"there is no topic {name!r}")
        count = len(topic.partitions)
        if missing := [index for index in partitions or () if index >= count]:
            raise NotDone(f"{name!r} has no partition {missing[0]}, only 0 to {count - 1}")
        return topic

    def _id_of(self, name: str) -> bytes:
        topic = self._view.topic(name)
        return topic.topic_id if topic is not None else b""

    def _name_of(self, topic_id: bytes) -> str:
        topic = self._view.topic_by_id(topic_id)
        return topic.name if topic is not None else topic_id.hex()


def _must_be_done(refusal: GroupRefusal | None, otherwise: str) -> None:
    if refusal is not None:
        raise NotDone(f"{otherwise}: {refusal.name}")
