"""One member of a consumer group: what it wants, what it has, and its way to what it is to have.

Kafka: ConsumerGroupMember, CurrentAssignmentBuilder.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from common.ports.group_errors import UNKNOWN_CLIENT, GroupClient
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.stored_consumer import (
    EMPTY_ASSIGNMENT,
    Assignment,
    StoredClassic,
    StoredCurrent,
    StoredSubscription,
    TopicPartition,
)

#: Member epochs that say something else (KIP-848).
JOIN_GROUP_MEMBER_EPOCH: Final = 0
LEAVE_GROUP_MEMBER_EPOCH: Final = -1
LEAVE_GROUP_STATIC_MEMBER_EPOCH: Final = -2


class MemberState(IntEnum):
    """Numbers are those of the log (MemberState)."""

    #: Has what it was to have in its epoch.
    STABLE = 1
    #: Was told to give partitions up, and has not said yet that it did.
    UNREVOKED_PARTITIONS = 2
    #: Waits for partitions that others have.
    UNRELEASED_PARTITIONS = 3


@dataclass(slots=True, eq=False)
class ConsumerGroupMember:
    """`assigned` and `revoking` together are what it may be reading.

    `classic`: None, or what it said with JoinGroup: it speaks the classic protocol, and its epoch
    is what it knows as the generation.

    Deadlines are in milliseconds since the epoch: `deadline_ms` of the session, `revoke_by_ms` of
    what is being revoked; of classic members `join_by_ms` and `sync_by_ms`, where they are to.
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
        """A static member that left for a while: its partitions wait for it."""
        return self.epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH

    def is_reconciled(self, target_epoch: int) -> bool:
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

    def subscribe(self, wanted: StoredSubscription) -> None:
        self.instance_id, self.rack_id, self.client = wanted[:3]
        self.topic_names, self.topic_regex = wanted.topic_names, wanted.topic_regex
        self.rebalance_timeout_ms = wanted.rebalance_timeout_ms
        self.server_assignor, self.classic = wanted.server_assignor, wanted.classic

    def current(self) -> StoredCurrent:
        return StoredCurrent(
            self.epoch, self.previous_epoch, self.state, self.assigned, self.revoking
        )

    def restore(self, stored: StoredCurrent) -> None:
        self.epoch, self.previous_epoch = stored.epoch, stored.previous_epoch
        self.state = MemberState(stored.state)
        self.assigned, self.revoking = stored.assigned, stored.revoking

    def reconcile(
        self,
        target: Assignment,
        target_epoch: int,
        owned: Assignment | None,
        is_free: Callable[[TopicPartition], bool],
    ) -> None:
        """Takes the next step towards `target`, if it can be taken.

        First it gives up what it is not to have; only when it has said so does it get more, of
        what nobody else has. `owned` is what it says that it has, None where it does not say.
        """
        if self.state is MemberState.UNREVOKED_PARTITIONS:
            if owned is None or owned & self.revoking:
                return
        elif self.is_reconciled(target_epoch):
            return
        surplus = self.assigned - target
        kept = self.assigned & target
        if surplus and (owned is None or owned & surplus):
            self._become(MemberState.UNREVOKED_PARTITIONS, self.epoch, kept, surplus)
            return
        missing = target - kept
        free = frozenset(one for one in missing if is_free(one))
        state = MemberState.STABLE if free == missing else MemberState.UNRELEASED_PARTITIONS
        self._become(state, target_epoch, kept | free, EMPTY_ASSIGNMENT)

    def _become(
        self, state: MemberState, epoch: int, assigned: Assignment, revoking: Assignment
    ) -> None:
        if epoch != self.epoch:
            self.previous_epoch, self.epoch = self.epoch, epoch
        self.state, self.assigned, self.revoking = state, assigned, revoking
