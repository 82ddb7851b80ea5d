"""The state of one group: members of either protocol, offsets, and what the log has of both.

Pure: time is an argument. The caller passes the records of a request to the log and calls
`confirm`; if the request raised, or its records cannot be written, it calls `roll_back` instead.
"""

from collections.abc import Callable, Sequence

from partition_svc.coordinator.classic.group import ClassicGroup
from partition_svc.coordinator.classic.state import ClassicGroupState
from partition_svc.coordinator.classic.timeouts import restart
from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.restore import restore
from partition_svc.coordinator.consumer.topic_patterns import Topics
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.group.logged_members import (
    LoadedGroup,
    LoggedMembers,
    logged_members,
)
from partition_svc.coordinator.offsets.offsets import GroupOffsets
from partition_svc.coordinator.records.result import CoordinatorResult, Record
from partition_svc.coordinator.records.stored import OffsetRecord
from partition_svc.coordinator.settings import GroupSettings


class GroupState:
    """State of a group; a group that does not exist is a new one.

    `consumer`: None, or the consumer group; `classic` then has only pending member ids.
    `now_ms` of all methods: milliseconds of one monotonic clock.
    """

    __slots__ = (
        "_logged",
        "_wall_clock",
        "classic",
        "consumer",
        "group_id",
        "offsets",
        "settings",
        "view",
    )

    def __init__(
        self,
        group_id: str,
        settings: GroupSettings,
        view: Topics,
        wall_clock: Callable[[], int] | None = None,
    ) -> None:
        """`view`: the existing topics, kept current by the caller.

        `wall_clock`: see `CoordinatorResult`.
        """
        self.group_id = group_id
        self.classic = ClassicGroup(group_id, settings)
        self.consumer: ConsumerGroup | None = None
        self.offsets = GroupOffsets(group_id, {}, view)
        self.settings, self.view = settings, view
        self._wall_clock = wall_clock
        self._logged = LoggedMembers()

    def restore(self, loaded: LoadedGroup, now_ms: int) -> None:
        """Replaces the state by that of the log.

        All members get a new session. A classic group whose generation has no assignment yet
        rebalances.
        """
        self.offsets = GroupOffsets(self.group_id, loaded.offsets, self.view)
        self._logged = logged_members(loaded.stored, loaded.consumer.values())
        self._restore_members(now_ms)

    def confirm(self, records: Sequence[Record]) -> None:
        """Accepts the changes of the last request, whose `records` were passed to the log."""
        self.offsets.confirm()
        for record in records:
            if not isinstance(record, OffsetRecord):
                self._logged.replay(record)

    def roll_back(self, now_ms: int) -> None:
        """Restores the state of the confirmed records, as loading the log would.

        Pending joins and syncs are dropped; the caller responds to them.
        """
        self.offsets.roll_back()
        self._restore_members(now_ms)

    def reset(self, now_ms: int) -> CoordinatorResult:
        """Removes members that cannot be restored from the log. Offsets stay."""
        self.classic = ClassicGroup(self.group_id, self.settings)
        self.consumer = None
        return CoordinatorResult(now_ms, records=[*self._logged.tombstones(self.group_id)])

    @property
    def exists(self) -> bool:
        """True if the group has members, pending member ids, offsets or records in the log."""
        state = self.classic.state
        if state is ClassicGroupState.DEAD:
            return False
        if self.offsets or self.consumer is not None or state is not ClassicGroupState.EMPTY:
            return True
        return bool(self.classic.members.pending) or self.classic.is_stored

    @property
    def is_empty(self) -> bool:
        """True if the group has no members, as Kafka's state Empty says. It may have offsets."""
        if self.consumer is not None:
            return not self.consumer.members
        return self.classic.state is ClassicGroupState.EMPTY

    @property
    def next_deadline(self) -> int | None:
        """The time to call `on_deadline`. It may be early, and every request may change it."""
        deadline_ms = self.classic.next_deadline_ms
        if self.consumer is not None:
            deadline_ms = min(deadline_ms, self.consumer.next_deadline_ms)
        return None if deadline_ms == NO_DEADLINE else deadline_ms

    @property
    def consumer_with_members(self) -> ConsumerGroup | None:
        """The consumer group, or None while requests of the classic protocol go to `classic`."""
        return None if self.consumer is None or not self.consumer.members else self.consumer

    def _restore_members(self, now_ms: int) -> None:
        stored, records = self._logged.stored, list(self._logged.consumer.values())
        classic = ClassicGroup(self.group_id, self.settings)
        if stored is not None:
            classic.restore(stored)
            restart(classic, CoordinatorResult(now_ms))
        consumer = restore(self.group_id, self.settings, self.view, records, now_ms)
        self.classic, self.consumer = classic, consumer
