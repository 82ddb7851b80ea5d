"""Sees to it that every move that this member is in gets on, and that nothing is left of others.

What is to be done follows from the view alone, whatever was done before: a process that comes back
looks at its first snapshot and does what is left.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any

from common.ports.moves import Move, MovePhase, MoveProgress, Ring
from common.ports.partitions import LogId
from common.runtime.failpoints import reach
from partition_svc.log.rate_limit import RateLimit
from partition_svc.moves.peers import Peers
from partition_svc.moves.retry import keep_trying
from partition_svc.moves.target_move import TargetMove
from partition_svc.partitions import LocalPartitions
from partition_svc.store.keys import Incoming

log = logging.getLogger(__name__)


class Mover:
    """Runs as one task; tell it of every change that the core was told of."""

    def __init__(  # noqa: PLR0913 - what it works with, each named by its caller
        self,
        core: LocalPartitions,
        ring: Ring,
        peers: Peers,
        *,
        member: str,
        bytes_per_second: int,
        kept_s: float = 0.0,
    ) -> None:
        """Nothing runs yet.

        Args:
            core: the logs of this member.
            ring: records the steps of moves.
            peers: the other members.
            member: the name of this one.
            bytes_per_second: bounds all copies that come here together; 0: no bound.
            kept_s: how long the copy of a move that was rolled back stays for the next attempt.
        """
        self._core = core
        self._ring = ring
        self._peers = peers
        self._member = member
        self._limit = RateLimit(bytes_per_second)
        self._changed = asyncio.Event()
        self._targets: dict[int, TargetMove] = {}
        #: By log: one thing at a time is done with it.
        self._tasks: dict[LogId, asyncio.Task[None]] = {}
        #: Moves that this process has ended its part of.
        self._ended: set[int] = set()
        self._kept_s = kept_s
        #: By log, until when (loop time) the copy of a move that was rolled back stays.
        self._kept_until: dict[LogId, float] = {}

    def on_change(self) -> None:
        """The core knows something new."""
        self._changed.set()

    @property
    def progress(self) -> Sequence[MoveProgress]:
        """Of all moves that bring a log here now."""
        return [one.progress for one in self._targets.values()]

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._changed.wait()
                self._changed.clear()
                if self._core.view.has_snapshot:
                    await self._stop_what_is_gone()
                    self._start_what_is_there(tasks)
                    self._clear_what_is_left(tasks)

    async def _stop_what_is_gone(self) -> None:
        view = self._core.view
        for move_id, target in tuple(self._targets.items()):
            now = view.move(move_id)
            if now is not None:
                target.learn(now)
                continue
            wanted = LogId(target.move.topic_id, target.move.partition)
            task = self._tasks.get(wanted)
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        self._ended &= {move.move_id for move in view.moves}

    def _start_what_is_there(self, tasks: asyncio.TaskGroup) -> None:
        for move in self._core.view.moves:
            wanted = LogId(move.topic_id, move.partition)
            if wanted in self._tasks or move.move_id in self._ended:
                continue
            is_committed = move.phase is MovePhase.COMMIT
            if move.target == self._member and not is_committed:
                self._start(tasks, wanted, self._bring(move))
            elif move.source == self._member and is_committed:
                self._start(tasks, wanted, self._clean(move))

    def _clear_what_is_left(self, tasks: asyncio.TaskGroup) -> None:
        """Copies of moves that are over, one way or the other."""
        for wanted, mark in tuple(self._core.incoming.marks.items()):
            if wanted in self._tasks:
                continue
            if self._core.owns(wanted) and mark.is_whole:
                self._start(tasks, wanted, self._adopt(wanted))
            elif self._is_left_over(wanted, mark) and not self._is_kept(wanted):
                self._start(tasks, wanted, self._delete(wanted))

    def _is_kept(self, wanted: LogId) -> bool:
        """Whether the next attempt to move the log here may go on with what the last one left.

        Not for a log that this member owns: a part of it is in the way there.
        """
        view = self._core.view
        if not self._kept_s or self._core.owns(wanted) or view.placement(*wanted) is None:
            return False
        loop = asyncio.get_running_loop()
        if wanted not in self._kept_until:
            self._kept_until[wanted] = loop.time() + self._kept_s
            loop.call_later(self._kept_s, self._changed.set)
        return loop.time() < self._kept_until[wanted] and self._core.incoming.keeps_leftover(wanted)

    def _is_left_over(self, wanted: LogId, mark: Incoming) -> bool:
        view = self._core.view
        move = view.move_of(*wanted)
        placement = view.placement(*wanted)
        if move is not None and move.target == self._member:
            return False
        if placement is None:
            return True
        is_over = placement.leader_epoch > mark.leader_epoch
        # A whole copy may be all that is left of the log, until somebody has it with a new epoch.
        if mark.is_whole:
            return is_over
        # With a part of it nobody can become the owner, save where the rest is lost for good.
        return is_over or not self._core.owns(wanted)

    def _start(
        self, tasks: asyncio.TaskGroup, wanted: LogId, work: Coroutine[Any, Any, None]
    ) -> None:
        self._kept_until.pop(wanted, None)
        task = tasks.create_task(work)
        self._tasks[wanted] = task
        task.add_done_callback(partial(self._on_done, wanted))

    def _on_done(self, wanted: LogId, _: "asyncio.Task[None]") -> None:
        del self._tasks[wanted]
        # There may be something to be done with the log that had to wait.
        self._changed.set()

    async def _bring(self, move: Move) -> None:
        target = TargetMove(move, self._core, self._ring, self._peers, self._limit)
        self._targets[move.move_id] = target
        try:
            what = f"bringing a log from {move.source}"
            await keep_trying(what, target.attempt, on_failure=target.on_failure)
            self._ended.add(move.move_id)
        finally:
            del self._targets[move.move_id]

    async def _clean(self, move: Move) -> None:
        """The log has its new owner: this copy is of no more use."""
        wanted = LogId(move.topic_id, move.partition)
        await reach("move.source.clean")
        await keep_trying("deleting a log that moved", partial(self._core.delete_log, wanted))
        await reach("move.source.cleaned")
        ending = partial(self._ring.end_move, move.move_id, process=self._core.process)
        await keep_trying(f"ending move {move.move_id}", ending)
        self._ended.add(move.move_id)

    async def _adopt(self, wanted: LogId) -> None:
        await keep_trying("adopting a log", partial(self._core.incoming.promote, wanted))

    async def _delete(self, wanted: LogId) -> None:
        await keep_trying("deleting a copy", partial(self._core.delete_log, wanted))
