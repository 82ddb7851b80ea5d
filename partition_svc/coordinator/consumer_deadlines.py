"""What happens to a consumer group by itself: sessions end, revocations take too long."""

from partition_svc.coordinator.classic_group import NEVER
from partition_svc.coordinator.consumer_group import ConsumerGroup
from partition_svc.coordinator.effects import Effects


def on_time(group: ConsumerGroup, effects: Effects) -> None:
    """Puts out whoever was not heard of, or did not give up in time what it was to."""
    if effects.now_ms < group.alarm_ms:
        return
    late = [
        one
        for one in group.members.values()
        if min(one.deadline_ms, one.revoke_by_ms) <= effects.now_ms
    ]
    for member in late:
        group.remove(member, effects)
    if late:
        group.bump(effects)
    group.alarm_ms = min(
        (min(one.deadline_ms, one.revoke_by_ms) for one in group.members.values()), default=NEVER
    )


def restart(group: ConsumerGroup, now_ms: int) -> None:
    """After loading: everybody gets as much time as if heard of now."""
    for member in group.members.values():
        group.extend_session(member, now_ms)
        if member.revoking:
            member.revoke_by_ms = now_ms + member.rebalance_timeout_ms
            group.wake_by(member.revoke_by_ms)
