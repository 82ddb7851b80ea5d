"""What happens to a consumer group by itself: sessions end, revocations and joins take too long."""

from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.result import Effects


def on_deadline(group: ConsumerGroup, effects: Effects) -> None:
    """Puts out whoever was not heard of, or did not give up in time what it was to."""
    if effects.now_ms < group.next_deadline_ms:
        return
    late = [one for one in group.members.values() if one.next_deadline_ms <= effects.now_ms]
    if late:
        group.remove_members(late, effects)
    group.next_deadline_ms = min(
        (one.next_deadline_ms for one in group.members.values()), default=NO_DEADLINE
    )


def restart(group: ConsumerGroup, now_ms: int) -> None:
    """After loading: everybody gets as much time as if heard of now."""
    for member in group.members.values():
        group.extend_session(member, now_ms)
        if member.revoking and member.classic is None:
            member.revoke_by_ms = now_ms + member.rebalance_timeout_ms
            group.schedule(member.revoke_by_ms)
