"""The ring without a network: implements the port `common.ports.moves.Ring`."""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TypeVar

from common.cluster.view import ClusterView
from common.kv.store import KvStoreFailed
from common.ports.moves import (
    LostPartitions,
    MemberProcess,
    Move,
    MovePhase,
    RingDescription,
    RingMember,
    RingRefusal,
    RingResult,
    RingState,
)
from common.ports.unavailable import BackendUnavailable, ProcessReplaced
from metadata_svc.change_log import ChangeLog
from metadata_svc.members.admission import process_refusal
from metadata_svc.members.members import MemberRegistry
from metadata_svc.moves import phases
from metadata_svc.moves.member_removal import removal
from metadata_svc.moves.phases import MoveEvent
from metadata_svc.moves.plan import PartitionKey, moves_to
from metadata_svc.moves.scheduler import MoveScheduler
from metadata_svc.moves.troubles import troubles, unsized_moves
from metadata_svc.state.member_table import MemberTable
from metadata_svc.state.mutation import Mutation

log = logging.getLogger(__name__)

T = TypeVar("T")

_FAILPOINTS = {
    MovePhase.CATCH_UP: "move.metadata.catch-up",
    MovePhase.FENCE: "move.metadata.fence",
    MovePhase.COMMIT: "move.metadata.commit",
}


class LocalRing:
    """Records operators' and members' changes of the ring; `scheduler.py` acts on them."""

    def __init__(
        self,
        view: ClusterView,
        member_table: MemberTable,
        change_log: ChangeLog,
        members: MemberRegistry,
        scheduler: MoveScheduler,
    ) -> None:
        self._view = view
        self._member_table = member_table
        self._change_log = change_log
        self._members = members
        self._scheduler = scheduler

    async def describe_ring(self) -> RingDescription:
        reports, plan = self._scheduler.reports, self._scheduler.plan
        return RingDescription(
            revision=self._view.revision,
            members=self._members_described(),
            moves=[reports.describe(move) for move in self._view.moves],
            waiting_moves=len(plan),
            waiting_bytes=sum(reports.size_bytes(planned.key) for planned in plan),
            is_rebalancing=self._member_table.is_rebalancing,
            unsized_moves=unsized_moves(self._view, self._scheduler),
            troubles=troubles(self._scheduler),
        )

    async def add_member(self, name: str) -> RingResult:
        return await self._changed(lambda: self._add(name))

    async def drain_member(self, name: str) -> RingResult:
        return await self._changed(lambda: self._drain(name))

    async def remove_member(self, name: str, *, accept_data_loss: bool = False) -> RingResult:
        return await self._changed(lambda: self._remove(name, accept_data_loss))

    async def accept_volume(self, name: str) -> RingResult:
        return await self._changed(lambda: self._accept_volume(name))

    async def cancel_move(self, move_id: int) -> RingResult:
        return await self._changed(lambda: self._cancel(move_id))

    async def advance_move(
        self, move_id: int, phase: MovePhase, *, process: MemberProcess | None = None
    ) -> Move | None:
        """See the port. A move reaches COMMIT from FENCE only; otherwise it does not change."""
        return await self._recorded(lambda: self._advance(move_id, phase, process))

    async def end_move(self, move_id: int, *, process: MemberProcess | None = None) -> None:
        """See the port. A move that is not committed does not end."""
        await self._recorded(lambda: self._end(move_id, process))

    async def _add(self, name: str) -> RingResult:
        if self._view.member(name) is None:
            return _unknown(name)
        await self._change_log.commit(self._ring_change(name, RingState.JOINED))
        self._members.notify_all()
        self._scheduler.replan()
        return RingResult()

    async def _drain(self, name: str) -> RingResult:
        if self._view.member(name) is None:
            return _unknown(name)
        if self._member_table.state(name) is RingState.DRAINED:
            return RingResult()
        if not self._member_table.in_state(RingState.JOINED) - {name}:
            return RingResult(
                RingRefusal.LAST_MEMBER,
                f"{name} is the only member of the ring, so its partitions have no other place.",
            )
        change = self._ring_change(name, RingState.DRAINING)
        await self._give_up(moves_to(self._view, name), change)
        self._scheduler.replan()
        return RingResult()

    async def _remove(self, name: str, accept_data_loss: bool) -> RingResult:
        if self._view.member(name) is None:
            return _unknown(name)
        if self._members.may_be_alive(name):
            return RingResult(RingRefusal.ALIVE, f"{name} is alive.")
        keys = self._view.partitions_of(name) if self._member_table.owned(name) else []
        lost = self._described(keys)
        new_owners = self._members.placeable
        if keys and not accept_data_loss:
            held = f"{name} still owns {len(keys)} partitions."
            return RingResult(RingRefusal.NOT_EMPTY, held, lost)
        if keys and not new_owners:
            no_owner = f"No other live member of the ring can own the partitions of {name}."
            return RingResult(RingRefusal.LAST_MEMBER, no_owner, lost)
        change = removal(
            self._view, name, keys, new_owners=new_owners, loads=self._member_table.loads()
        )
        await self._change_log.commit(change, step="ring.metadata.remove")
        self._scheduler.reports.forget_logs(keys)
        self._scheduler.replan()
        if keys:
            log.warning("removed %s: %d partitions begin again, empty", name, len(keys))
        return RingResult(lost=lost)

    async def _accept_volume(self, name: str) -> RingResult:
        # A restored metadata service may not know a member that has joined since the backup.
        if self._members.may_be_alive(name):
            return RingResult(RingRefusal.ALIVE, f"{name} is alive.")
        await self._change_log.commit(Mutation(accepted_volumes={name: True}))
        log.warning("accepting the next volume of %s, whatever its age", name)
        return RingResult()

    async def _cancel(self, move_id: int) -> RingResult:
        move = self._view.move(move_id)
        if move is None or not phases.is_open(move):
            return RingResult(RingRefusal.UNKNOWN_MOVE, f"There is no open move {move_id}.")
        await self._give_up([move], Mutation())
        self._scheduler.on_cancelled(move)
        return RingResult()

    async def _give_up(self, moves: Collection[Move], change: Mutation) -> None:
        """Rolls moves back, in one write with what else changes."""
        rolled_back = phases.roll_back(self._view, moves)
        mutation = replace(
            change,
            placements=rolled_back.placements,
            ended_moves=[*change.ended_moves, *rolled_back.ended_moves],
        )
        await self._change_log.commit(mutation, step="move.metadata.rollback")

    async def _advance(
        self, move_id: int, phase: MovePhase, process: MemberProcess | None
    ) -> Move | None:
        move = self._view.move(move_id)
        if move is None:
            return None
        self._check_process(move, move.target, process)
        mutation = phases.advance(self._view, move, phase)
        if mutation is not None:
            await self._change_log.commit(mutation, step=_FAILPOINTS[phase])
            self._scheduler.wake()
        return self._view.move(move_id)

    async def _end(self, move_id: int, process: MemberProcess | None) -> None:
        move = self._view.move(move_id)
        if move is None or not phases.is_allowed(move, MoveEvent.SOURCE_CLEANED):
            return
        self._check_process(move, move.source, process)
        mutation = phases.apply(self._view, [move], MoveEvent.SOURCE_CLEANED)
        await self._change_log.commit(mutation, step="move.metadata.end")
        self._scheduler.wake()

    def _check_process(self, move: Move, member: str, process: MemberProcess | None) -> None:
        """Raises `ProcessReplaced` unless `process` is the registered one of `member`."""
        reason = process_refusal(self._view, member, process)
        if reason is not None:
            log.warning("refused a change of move %d: %s", move.move_id, reason)
            raise ProcessReplaced(reason)

    def _ring_change(self, name: str, state: RingState) -> Mutation:
        is_rebalancing = True if self._view.topics else None
        return Mutation(ring_states={name: state}, is_rebalancing=is_rebalancing)

    def _described(self, lost: Sequence[PartitionKey]) -> list[LostPartitions]:
        """Groups partitions by topic, in the order of topic names."""
        found: list[LostPartitions] = []
        for topic_id, keys in groupby(lost, key=lambda key: key[0]):
            topic = self._view.topic_by_id(topic_id)
            partitions = [partition for _, partition in keys]
            sizes = (
                self._scheduler.reports.size_bytes((topic_id, partition))
                for partition in partitions
            )
            name = "" if topic is None else topic.name
            found.append(LostPartitions(topic_id, name, partitions, sum(sizes)))
        return found

    def _members_described(self) -> list[RingMember]:
        coming: Counter[str] = Counter()
        under_way = [move for move in self._view.moves if phases.is_open(move)]
        for move in (*under_way, *self._scheduler.plan):
            coming[move.target] += 1
            coming[move.source] -= 1
        sizes = self._scheduler.reports.sizes_by_member()
        alive = self._members.live_members
        return [
            RingMember(
                name=member.name,
                address=member.address,
                state=self._member_table.state(member.name),
                is_alive=member.name in alive,
                partitions=(owned := self._member_table.owned(member.name)),
                planned=owned + coming[member.name],
                size_bytes=sizes[member.name],
                disk=self._scheduler.reports.disk(member.name),
            )
            for member in self._view.members
        ]

    async def _changed(self, work: Callable[[], Awaitable[RingResult]]) -> RingResult:
        try:
            return await self._change_log.run_exclusive(work)
        except KvStoreFailed as error:
            log.error("failed to change the ring: %s", error)
            return RingResult(RingRefusal.STORAGE_ERROR, "The change could not be stored.")

    async def _recorded(self, work: Callable[[], Awaitable[T]]) -> T:
        try:
            return await self._change_log.run_exclusive(work)
        except KvStoreFailed as error:
            raise BackendUnavailable(f"the move cannot be recorded: {error}") from error


def _unknown(name: str) -> RingResult:
    return RingResult(RingRefusal.UNKNOWN_MEMBER, f"There is no partition service {name}.")
