"""The coordinator's state machine of one group, under the classic or the consumer protocol.

A group is classic while `consumer` is None. A group without members takes the protocol of its next
member. A group with members is upgraded when a member of the consumer protocol joins, and
downgraded when the last one leaves (KIP-848, group.consumer.migration.policy).

Pure: time and new member ids are arguments. A group that does not exist is a new `Group`, which
responds as Kafka does for unknown groups. The caller drops a group that no longer `exists`.
"""

from collections.abc import Callable
from dataclasses import replace

from common.ports.classic_groups import (
    DescribedGroup,
    GroupHeartbeat,
    HeartbeatReply,
    JoinGroup,
    LeaveGroup,
    ListedGroup,
    SyncGroup,
)
from common.ports.consumer_groups import (
    ConsumerHeartbeat,
    ConsumerHeartbeatReply,
    DescribedConsumerGroup,
)
from common.ports.group_offsets import CommitOffsets, DeleteOffsets, FetchOffsets
from partition_svc.coordinator.classic import describe as classic_describe
from partition_svc.coordinator.classic import timeouts as classic_timeouts
from partition_svc.coordinator.classic.group import ClassicGroup
from partition_svc.coordinator.classic.heartbeat import heartbeat
from partition_svc.coordinator.classic.join import PendingJoin, join
from partition_svc.coordinator.classic.leave import leave
from partition_svc.coordinator.classic.sync import sync
from partition_svc.coordinator.consumer import classic_join, classic_member, downgrade, upgrade
from partition_svc.coordinator.consumer import describe as consumer_describe
from partition_svc.coordinator.consumer import timeouts as consumer_timeouts
from partition_svc.coordinator.consumer.heartbeat import consumer_heartbeat
from partition_svc.coordinator.group import deletion, offset_requests
from partition_svc.coordinator.group.state import GroupState
from partition_svc.coordinator.records.result import CoordinatorResult, PendingReply


class Group(GroupState):
    """Requests change the group at once; `CoordinatorResult` says when their replies may be sent.

    Each request is followed by `confirm` or `roll_back`. `now_ms` of all methods: milliseconds of
    one monotonic clock.
    """

    __slots__ = ()

    def on_deadline(self, now_ms: int) -> CoordinatorResult:
        """Expires sessions, joins, syncs and revocations that are due."""
        result = self._new_result(now_ms)
        classic_timeouts.on_deadline(self.classic, result)
        if self.consumer is not None:
            consumer_timeouts.on_deadline(self.consumer, result)
            self._maybe_downgrade(result)
        return result

    def join(
        self, request: JoinGroup, pending: PendingReply, now_ms: int, new_member_id: str
    ) -> CoordinatorResult:
        """`new_member_id`: used where the request has no member id; never used before."""
        result = self._new_result(now_ms)
        pending_join = PendingJoin(request, pending, new_member_id)
        group = self.consumer_with_members
        if group is not None:
            last = downgrade.member_to_replace(group, request)
            if last is None or classic_join.join_refusal(group, request) is not None:
                classic_join.join(group, pending_join, result)
                return result
            classic = downgrade.downgrade_for_replacement(group, last, request, result)
            self.classic, self.consumer = classic, None
        join(self.classic, pending_join, result)
        if self.consumer is not None and (self.classic.members or self.classic.members.pending):
            self.consumer.write_tombstones(result)
            self.consumer = None
        return result

    def sync(self, request: SyncGroup, pending: PendingReply, now_ms: int) -> CoordinatorResult:
        result = self._new_result(now_ms)
        group = self.consumer_with_members
        if group is None:
            sync(self.classic, request, pending, result)
        else:
            result.reply(pending, classic_member.sync(group, request, now_ms))
        return result

    def heartbeat(
        self, request: GroupHeartbeat, pending: PendingReply, now_ms: int
    ) -> CoordinatorResult:
        result = self._new_result(now_ms)
        group = self.consumer_with_members
        if group is None:
            refusal = heartbeat(self.classic, request, now_ms)
        else:
            refusal = classic_member.heartbeat(group, request, result)
        result.reply(pending, HeartbeatReply(refusal))
        return result

    def leave(self, request: LeaveGroup, pending: PendingReply, now_ms: int) -> CoordinatorResult:
        result = self._new_result(now_ms)
        group = self.consumer_with_members
        if group is None:
            left = leave(self.classic, request, result)
        else:
            left = classic_member.leave(group, request, result)
            self._maybe_downgrade(result)
        result.reply(pending, left)
        return result

    def consumer_heartbeat(
        self, request: ConsumerHeartbeat, pending: PendingReply, now_ms: int, new_member_id: str
    ) -> CoordinatorResult:
        """`new_member_id`: as in `join`."""
        result = self._new_result(now_ms)
        if not request.member_id:
            request = replace(request, member_id=new_member_id)
        if self.consumer is None:
            result.reply(pending, self._first_consumer_heartbeat(request, result))
        else:
            result.reply(pending, consumer_heartbeat(self.consumer, request, result))
            self._maybe_downgrade(result)
        return result

    def commit(
        self, request: CommitOffsets, pending: PendingReply, now_ms: int
    ) -> CoordinatorResult:
        result = self._new_result(now_ms)
        result.reply(pending, offset_requests.commit(self, request, result))
        return result

    def fetch(self, request: FetchOffsets, pending: PendingReply, now_ms: int) -> CoordinatorResult:
        return CoordinatorResult(now_ms, [(pending, offset_requests.fetch(self, request))])

    def delete_offsets(
        self, request: DeleteOffsets, pending: PendingReply, now_ms: int
    ) -> CoordinatorResult:
        result = self._new_result(now_ms)
        result.reply(pending, offset_requests.delete(self, request, result))
        return result

    def delete(self, pending: PendingReply, now_ms: int) -> CoordinatorResult:
        """Deletes a group without members, and its offsets (DeleteGroups)."""
        result = self._new_result(now_ms)
        result.reply(pending, deletion.delete(self, result))
        return result

    def expire_offsets(self, now_ms: int) -> CoordinatorResult:
        """Deletes expired offsets, and the group itself if it is empty without them."""
        result = self._new_result(now_ms)
        deletion.expire_offsets(self, result)
        return result

    def delete_offsets_of_topics(
        self, is_deleted: Callable[[str, bytes], bool], now_ms: int
    ) -> CoordinatorResult:
        """Deletes offsets of deleted topics.

        `is_deleted` gets a topic's name and its id, which is empty if the commit had none. A topic
        that was created again under its name has another id.
        """
        result = self._new_result(now_ms)
        self.offsets.delete_where(
            lambda topic, _, stored: is_deleted(topic, stored.topic_id), result
        )
        return result

    def describe(self) -> DescribedGroup:
        if not self.exists or self.consumer is not None:
            return classic_describe.missing(self.group_id, exists=self.exists)
        return classic_describe.describe(self.classic)

    def describe_consumer(self) -> DescribedConsumerGroup:
        if self.consumer is None:
            return consumer_describe.missing(self.group_id, exists=self.exists)
        return consumer_describe.describe(self.consumer)

    def as_listed_group(self) -> ListedGroup:
        if self.consumer is None:
            return classic_describe.as_listed_group(self.classic)
        return consumer_describe.as_listed_group(self.consumer)

    def _first_consumer_heartbeat(
        self, request: ConsumerHeartbeat, result: CoordinatorResult
    ) -> ConsumerHeartbeatReply:
        reply, group = upgrade.first_heartbeat(self.classic, request, self.view, result)
        if group is not None:
            self.classic, self.consumer = ClassicGroup(self.group_id, self.settings), group
        return reply

    def _maybe_downgrade(self, result: CoordinatorResult) -> None:
        if self.consumer is not None and self.consumer.should_downgrade:
            self.classic, self.consumer = downgrade.downgraded(self.consumer, result), None

    def _new_result(self, now_ms: int) -> CoordinatorResult:
        return CoordinatorResult(now_ms, wall_clock=self._wall_clock)
