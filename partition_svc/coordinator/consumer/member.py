"""A member of a consumer group: its subscription, its assignment, and the steps to its target.

Kafka: ConsumerGroupMember, CurrentAssignmentBuilder.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from common.ports.group_errors import UNKNOWN_CLIENT, GroupClient
from partition_svc.coordinator.consumer.member_state import TRANSITIONS, MemberEvent
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.stored_consumer import (
    EMPTY_ASSIGNMENT,
    Assignment,
    MemberState,
    StoredClassic,
    StoredCurrent,
    StoredSubscription,
    TopicPartition,
)

#: Member epochs of heartbeats that join or leave (KIP-848).
JOIN_GROUP_MEMBER_EPOCH: Final = 0
LEAVE_GROUP_STATIC_MEMBER_EPOCH: Final = -2


@dataclass(slots=True, eq=False)
class ConsumerGroupMember:
    """`assigned` and `revoking`: disjoint; the member may be reading all of both.

    `classic`: None, or for a member of the classic protocol what it sent with JoinGroup; its epoch
    is its generation id.

    Deadlines are milliseconds of the group's clock: `deadline_ms` of the session, `revoke_by_ms` of
    the revocation; of classic members `join_by_ms` and `sync_by_ms` of the request that is due.
    """

    member_id: str
    instance_id: str | None = None
    rack_id: str | None = None
    client: GroupClient = UNKNOWN_CLIENT
    topic_names: tuple[str, ...] = ()
    topic_regex: str | None = None
    rebalance_timeout_ms: int = -1
    server_assignor: str | None = None
    classic: StoredClassic | None = None
    epoch: int = JOIN_GROUP_MEMBER_EPOCH
    previous_epoch: int = JOIN_GROUP_MEMBER_EPOCH
    state: MemberState = MemberState.STABLE
    assigned: Assignment = EMPTY_ASSIGNMENT
    revoking: Assignment = EMPTY_ASSIGNMENT
    deadline_ms: int = NO_DEADLINE
    revoke_by_ms: int = NO_DEADLINE
    join_by_ms: int = NO_DEADLINE
    sync_by_ms: int = NO_DEADLINE

    @property
    def next_deadline_ms(self) -> int:
        return min(self.deadline_ms, self.revoke_by_ms, self.join_by_ms, self.sync_by_ms)

    @property
    def assigned_or_revoking(self) -> Assignment:
        return self.assigned | self.revoking

    @property
    def has_left_temporarily(self) -> bool:
        """True for a static member that left and may return; it still owns its partitions."""
        return self.epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH

    def is_reconciled(self, target_epoch: int) -> bool:
        """True if the member is assigned its whole target of that epoch."""
        return self.state is MemberState.STABLE and self.epoch == target_epoch

    def subscription(self) -> StoredSubscription:
        return StoredSubscription(
            self.instance_id,
            self.rack_id,
            self.client,
            self.topic_names,
            self.topic_regex,
            self.rebalance_timeout_ms,
            self.server_assignor,
            self.classic,
        )

    def subscribe(self, subscription: StoredSubscription) -> None:
        self.instance_id = subscription.instance_id
        self.rack_id = subscription.rack_id
        self.client = subscription.client
        self.topic_names = subscription.topic_names
        self.topic_regex = subscription.topic_regex
        self.rebalance_timeout_ms = subscription.rebalance_timeout_ms
        self.server_assignor = subscription.server_assignor
        self.classic = subscription.classic

    def current(self) -> StoredCurrent:
        return StoredCurrent(
            self.epoch, self.previous_epoch, self.state, self.assigned, self.revoking
        )

    def restore(self, stored: StoredCurrent) -> None:
        self.epoch, self.previous_epoch = stored.epoch, stored.previous_epoch
        self.state = stored.state
        self.assigned, self.revoking = stored.assigned, stored.revoking

    def reconcile(
        self,
        target: Assignment,
        target_epoch: int,
        owned: Assignment | None,
        is_free: Callable[[TopicPartition], bool],
    ) -> None:
        """Takes the next step towards `target`, if one is possible (see `member_state.py`).

        `owned`: the partitions of the heartbeat, None if it has none. `is_free`: True for
        partitions that no other member owns.
        """
        if self.state is MemberState.UNREVOKED_PARTITIONS:
            if owned is None or owned & self.revoking:
                return
        elif self.is_reconciled(target_epoch):
            return
        surplus = self.assigned - target
        kept = self.assigned & target
        if surplus and (owned is None or owned & surplus):
            self._transition(MemberEvent.REVOCATION_STARTED, self.epoch)
            self.assigned, self.revoking = kept, surplus
            return
        missing = target - kept
        free = frozenset(filter(is_free, missing))
        is_whole = free == missing
        event = MemberEvent.TARGET_REACHED if is_whole else MemberEvent.PARTITIONS_MISSING
        self._transition(event, target_epoch)
        self.assigned, self.revoking = kept | free, EMPTY_ASSIGNMENT

    def leave_temporarily(self) -> None:
        """Keeps the assignment for the return of a static member; drops a revocation."""
        self.state = TRANSITIONS[self.state, MemberEvent.LEFT_TEMPORARILY]
        self.epoch = LEAVE_GROUP_STATIC_MEMBER_EPOCH
        self.revoking = EMPTY_ASSIGNMENT
        self.revoke_by_ms = NO_DEADLINE

    def _transition(self, event: MemberEvent, epoch: int) -> None:
        self.state = TRANSITIONS[self.state, event]
        if epoch != self.epoch:
            self.previous_epoch, self.epoch = self.epoch, epoch
