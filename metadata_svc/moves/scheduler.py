"""Plans, begins and rolls back moves, and marks members as drained.

The target of a move takes the steps in between (`ring.py` records them). Recorded moves, ring
states and whether a plan is due are in the store; the plan itself is made again after a start.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from common.cluster.view import ClusterView
from common.kv.store import KvStoreFailed
from common.ports.moves import Move, RingState
from common.ports.unavailable import BackendUnavailable
from common.runtime.backoff import Backoff
from common.runtime.notifier import Notifier
from common.runtime.observers import Observers
from metadata_svc.change_log import ChangeLog
from metadata_svc.members.members import MemberRegistry
from metadata_svc.moves import phases
from metadata_svc.moves.fence_timeouts import FenceTimeouts
from metadata_svc.moves.load_reports import LoadReports
from metadata_svc.moves.plan import (
    MoveConstraints,
    MoveLimits,
    MovePlan,
    PartitionKey,
    PlannedMove,
    planned_moves,
)
from metadata_svc.state.member_table import MemberTable
from metadata_svc.state.mutation import Mutation
from metadata_svc.topics.placement import ring_of

log = logging.getLogger(__name__)

#: Interval of sorting the plan by reported loads.
_SORT_EVERY_S: Final = 10.0

#: Delay after a failure of the store.
_STORE_PAUSE_S: Final = 1.0

#: First and longest delay after a bug.
_BUG_RETRY_S_FIRST: Final = 1.0
_BUG_RETRY_S_MAX: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RingPolicy:
    """The policy of the ring.

    `joins`: unknown members join it by themselves. `fence_timeout_ms`: how long a partition may
    take no appends before its move is rolled back.
    """

    joins: bool = True
    moves_max: int = 4
    moves_per_member_max: int = 2
    fence_timeout_ms: int = 5_000

    @property
    def limits(self) -> MoveLimits:
        return MoveLimits(self.moves_max, self.moves_per_member_max)


class MoveScheduler:
    """One for a metadata service. `settle` does what is due; `run` calls it when something is."""

    def __init__(  # noqa: PLR0913 - the parts of a metadata service
        self,
        view: ClusterView,
        member_table: MemberTable,
        change_log: ChangeLog,
        members: MemberRegistry,
        reports: LoadReports,
        policy: RingPolicy,
        *,
        changes: Notifier,
    ) -> None:
        """`changes` is notified by others when a member or a report has changed."""
        self.reports = reports
        self.plan = MovePlan()
        #: The failure because of which moves are stopped; "" while they work.
        self.trouble = ""
        #: Notified when moves stop, and when they work again; see `trouble`.
        self.working_changed = Observers()
        self._view = view
        self._member_table = member_table
        self._change_log = change_log
        self._members = members
        self._policy = policy
        self._fences = FenceTimeouts(view, members, policy.fence_timeout_ms / 1000)
        #: Whose moves an operator cancelled: they stay where they are until the ring changes.
        self._cancelled: set[PartitionKey] = set()
        self._planned_for: frozenset[str] | None = None
        self._is_plan_lost = False
        self._sorted_at = 0.0
        self._changes = changes

    def wake(self) -> None:
        """Makes `run` check again whether a move can begin or end."""
        self._changes.notify_all()

    def replan(self) -> None:
        """Discards the plan, because the ring changed or an operator requested it."""
        self._planned_for = None
        self.wake()

    def on_cancelled(self, move: Move) -> None:
        self._cancelled.add((move.topic_id, move.partition))
        self.wake()

    def forget_topics(self, topic_ids: Iterable[bytes]) -> None:
        """Discards what is known of deleted topics."""
        gone = set(topic_ids)
        self.plan.forget_topics(gone)
        self.reports.forget_topics(gone)
        self._cancelled = {key for key in self._cancelled if key[0] not in gone}
        self._fences.forget_topics(gone)
        self.wake()

    async def run(self) -> None:
        """Runs until the service stops.

        A bug does not end it: topics and members need this process even if moves do not work.
        """
        loop = asyncio.get_running_loop()
        backoff = Backoff(_BUG_RETRY_S_FIRST, _BUG_RETRY_S_MAX)
        while True:
            seen = self._changes.version
            try:
                next_time = await self._change_log.run_exclusive(lambda: self.settle(loop.time()))
            except KvStoreFailed as error:
                log.error("moves are stopped: the metadata store failed: %s", error)
                self._set_trouble(str(error))
                next_time = loop.time() + _STORE_PAUSE_S
            except BackendUnavailable:
                return
            except Exception as bug:
                delay_s = backoff.next_s()
                log.exception(
                    "move scheduler failed; moves are stopped until the retry in %g s", delay_s
                )
                self._set_trouble(repr(bug))
                # Some of the plan may have been taken out of it and not begun.
                self._is_plan_lost = True
                await asyncio.sleep(delay_s)
                continue
            else:
                self._set_trouble("")
                backoff.reset()
            await self._changes.wait(next_time, since=seen)

    def _set_trouble(self, trouble: str) -> None:
        has_changed = bool(trouble) != bool(self.trouble)
        self.trouble = trouble
        if has_changed:
            self.working_changed.notify()

    async def settle(self, now: float) -> float | None:
        """Does what is due at `now`. Returns when more may be due; None: after the next change.

        Only for use inside `ChangeLog.run_exclusive`. Raises `KvStoreFailed`.
        """
        await self._roll_back_expired_fences(now)
        await self._make_plan(now)
        await self._begin(now)
        await self._finish(now)
        times = (self._fences.next_time, self.plan.next_time)
        return min((time for time in times if time is not None), default=None)

    async def _roll_back_expired_fences(self, now: float) -> None:
        expired = self._fences.expired(now)
        if not expired:
            return
        mutation = phases.roll_back(self._view, expired)
        await self._change_log.commit(mutation, step="move.metadata.rollback")
        for move in expired:
            log.warning("rolled back a move that stayed fenced too long: %s", move)
            self.plan.postpone(_planned(move), now + self._fences.on_rolled_back(move))

    async def _make_plan(self, now: float) -> None:
        """Plans again if the ring changed, or if a plan was due when this service started."""
        joined = self._member_table.in_state(RingState.JOINED)
        if joined == self._planned_for and not self._is_plan_lost:
            self._sort_sometimes(now)
            return
        if joined != self._planned_for:
            self._planned_for = joined
            self._cancelled.clear()
            self._fences.reset()
        self._is_plan_lost = False
        self.plan = MovePlan()
        if self._member_table.is_rebalancing:
            await self._plan_for(joined, now)

    async def _plan_for(self, joined: frozenset[str], now: float) -> None:
        if not joined:
            return
        # In a thread: with a million partitions the event loop would be blocked for seconds. The
        # view does not change meanwhile, because this runs exclusively.
        found = await asyncio.to_thread(lambda: planned_moves(self._view, ring_of(joined)))
        wanted = [planned for planned in found if planned.key not in self._cancelled]
        self.plan = MovePlan(wanted)
        self.plan.sort(self.reports.load)
        self._sorted_at = now
        if wanted:
            log.info("planned moves of %d partitions, over members %s", len(wanted), sorted(joined))

    def _sort_sometimes(self, now: float) -> None:
        if self.reports.has_new_loads and now - self._sorted_at >= _SORT_EVERY_S:
            self.plan.sort(self.reports.load)
            self._sorted_at = now
            self.reports.has_new_loads = False

    def constraints(self) -> MoveConstraints:
        """Returns the state of members and moves that decides which moves may begin now."""
        reports = self.reports
        return MoveConstraints(
            self._members.live_members,
            reports.unwritable,
            reports.stuck_moves,
            reports.room(),
            reports.size_bytes,
        )

    async def _begin(self, now: float) -> None:
        chosen = self.plan.pop_ready(
            self._view,
            self.constraints(),
            self._policy.limits,
            load=self.reports.load,
            now=now,
        )
        if chosen:
            mutation = phases.begin(
                self._view, chosen, next_move_id=self._member_table.next_move_id
            )
            await self._change_log.commit(mutation, step="move.metadata.prepare")

    async def _finish(self, now: float) -> None:
        """Marks empty members as drained, and replans once when the plan is done."""
        sources = {move.source for move in self._view.moves}
        drained = {
            name: RingState.DRAINED
            for name in self._member_table.in_state(RingState.DRAINING)
            if self._member_table.owned(name) == 0 and name not in sources
        }
        is_done = self._member_table.is_rebalancing and not self.plan and not self._view.moves
        if is_done and await self._is_more_wanted(now):
            is_done = False
            self.wake()
        if drained or is_done:
            mutation = Mutation(ring_states=drained, is_rebalancing=False if is_done else None)
            await self._change_log.commit(mutation)
        for name in drained:
            log.info("%s is drained", name)

    async def _is_more_wanted(self, now: float) -> bool:
        """True if the ring requires more moves now that none is under way; plans them.

        The ring may have assigned a partition to another member while it moved.
        """
        await self._plan_for(self._planned_for or frozenset(), now)
        return bool(self.plan)


def _planned(move: Move) -> PlannedMove:
    return PlannedMove(move.topic_id, move.partition, move.source, move.target)
