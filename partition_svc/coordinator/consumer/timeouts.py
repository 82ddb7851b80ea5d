"""Deadlines of a consumer group: sessions, revocations, and joins and syncs of classic members.

Kafka: the session, rebalance, join and sync timers of GroupMetadataManager.
"""

from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.result import CoordinatorResult


def on_deadline(group: ConsumerGroup, result: CoordinatorResult) -> None:
    """Removes the members whose deadline has passed."""
    if result.now_ms < group.next_deadline_ms:
        return
    members = group.members.values()
    expired = [member for member in members if member.next_deadline_ms <= result.now_ms]
    if expired:
        group.remove_members(expired, result)
    group.next_deadline_ms = min(
        (member.next_deadline_ms for member in members), default=NO_DEADLINE
    )


def restart(group: ConsumerGroup, now_ms: int) -> None:
    """Starts the sessions and revocations of a group that was loaded from the log."""
    for member in group.members.values():
        group.extend_session(member, now_ms)
        if member.revoking and member.classic is None:
            member.revoke_by_ms = now_ms + member.rebalance_timeout_ms
            group.schedule(member.revoke_by_ms)
