"""Runs the moves that this member takes part in, and removes copies that past moves have left.

The work follows from the cluster view alone, so a restarted process continues from its first
snapshot.
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
from partition_svc.moves.retry import retry_until_done
from partition_svc.moves.source_connection import SourceConnections
from partition_svc.moves.target_move import TargetMove
from partition_svc.partitions import LocalPartitions
from partition_svc.store.keys import CopyMarker

log = logging.getLogger(__name__)


class MoveRunner:
    """Runs as one task; call `on_change` after each change that the logs have applied."""

    def __init__(  # noqa: PLR0913 - collaborators, passed by name
        self,
        core: LocalPartitions,
        ring: Ring,
        sources: SourceConnections,
        *,
        member: str,
        bytes_per_second: int,
        kept_s: float = 0.0,
    ) -> None:
        """Nothing runs yet.

        Args:
            core: the logs of this member.
            ring: records the phases of moves.
            sources: connections to the members that logs move from.
            member: the name of this member.
            bytes_per_second: limit of all incoming copies together; 0 for none.
            kept_s: how long the copy of a rolled-back move is kept for the next attempt.
        """
        self._core = core
        self._ring = ring
        self._sources = sources
        self._member = member
        self._limit = RateLimit(bytes_per_second)
        self._changed = asyncio.Event()
        self._targets: dict[int, TargetMove] = {}
        #: The one running task of each log.
        self._tasks: dict[LogId, asyncio.Task[None]] = {}
        #: Moves whose work in this process is done.
        self._ended: set[int] = set()
        self._kept_s = kept_s
        #: Loop time until which the copy of a rolled-back move is kept, by log.
        self._kept_until: dict[LogId, float] = {}

    def on_change(self) -> None:
        """Wakes the runner after a change of the cluster view."""
        self._sources.view_changed()
        self._changed.set()

    @property
    def progress(self) -> Sequence[MoveProgress]:
        """Progress of all moves to this member."""
        return [target.progress for target in self._targets.values()]

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._changed.wait()
                self._changed.clear()
                if self._core.view.has_snapshot:
                    await self._stop_ended_moves()
                    self._start_moves(tasks)
                    self._remove_leftovers(tasks)

    async def _stop_ended_moves(self) -> None:
        view = self._core.view
        for move_id, target in tuple(self._targets.items()):
            now = view.move(move_id)
            if now is not None:
                target.update(now)
                continue
            log_id = LogId(target.move.topic_id, target.move.partition)
            task = self._tasks.get(log_id)
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        self._ended &= {move.move_id for move in view.moves}

    def _start_moves(self, tasks: asyncio.TaskGroup) -> None:
        for move in self._core.view.moves:
            log_id = LogId(move.topic_id, move.partition)
            if log_id in self._tasks or move.move_id in self._ended:
                continue
            is_committed = move.phase is MovePhase.COMMIT
            if move.target == self._member and not is_committed:
                self._start(tasks, log_id, self._run_target(move))
            elif move.source == self._member and is_committed:
                self._start(tasks, log_id, self._clean(move))

    def _remove_leftovers(self, tasks: asyncio.TaskGroup) -> None:
        """Promotes or deletes the copies of moves that are over."""
        for log_id, marker in tuple(self._core.incoming.markers.items()):
            if log_id in self._tasks:
                continue
            if self._core.owns(log_id) and marker.is_whole:
                self._start(tasks, log_id, self._promote(log_id))
            elif self._is_leftover(log_id, marker) and not self._is_kept(log_id):
                self._start(tasks, log_id, self._delete(log_id))

    def _is_kept(self, log_id: LogId) -> bool:
        """True if the next attempt to move the log here may continue with its copy.

        False for a log that this member owns, which a partial copy would block.
        """
        view = self._core.view
        if not self._kept_s or self._core.owns(log_id) or view.placement(*log_id) is None:
            return False
        loop = asyncio.get_running_loop()
        if log_id not in self._kept_until:
            self._kept_until[log_id] = loop.time() + self._kept_s
            loop.call_later(self._kept_s, self._changed.set)
        return loop.time() < self._kept_until[log_id] and self._core.incoming.keeps_leftover(log_id)

    def _is_leftover(self, log_id: LogId, marker: CopyMarker) -> bool:
        view = self._core.view
        move = view.move_of(*log_id)
        placement = view.placement(*log_id)
        if move is not None and move.target == self._member:
            return False
        if placement is None:
            return True
        is_over = placement.leader_epoch > marker.leader_epoch
        # A whole copy may be all that is left of the log until an owner has a newer epoch.
        if marker.is_whole:
            return is_over
        # A partial copy makes no owner, unless the rest of the log is permanently lost.
        return is_over or not self._core.owns(log_id)

    def _start(
        self, tasks: asyncio.TaskGroup, log_id: LogId, work: Coroutine[Any, Any, None]
    ) -> None:
        self._kept_until.pop(log_id, None)
        task = tasks.create_task(work)
        self._tasks[log_id] = task
        task.add_done_callback(partial(self._on_done, log_id))

    def _on_done(self, log_id: LogId, _: "asyncio.Task[None]") -> None:
        del self._tasks[log_id]
        # More work on the log may have waited for this task.
        self._changed.set()

    async def _run_target(self, move: Move) -> None:
        log_id = LogId(move.topic_id, move.partition)
        target = TargetMove(move, self._core, self._ring, self._sources, self._limit)
        self._targets[move.move_id] = target
        try:
            action = f"move {move.move_id} of {log_id} from {move.source}"
            await retry_until_done(action, target.attempt, on_failure=target.on_failure)
            self._ended.add(move.move_id)
        finally:
            del self._targets[move.move_id]

    async def _clean(self, move: Move) -> None:
        """Deletes the source's copy after COMMIT, and ends the move."""
        log_id = LogId(move.topic_id, move.partition)
        await reach("move.source.clean")
        await retry_until_done(
            f"deletion of moved log {log_id}", partial(self._core.delete_log, log_id)
        )
        await reach("move.source.cleaned")
        ending = partial(self._ring.end_move, move.move_id, process=self._core.process)
        await retry_until_done(f"end of move {move.move_id}", ending)
        self._ended.add(move.move_id)

    async def _promote(self, log_id: LogId) -> None:
        await retry_until_done(
            f"promotion of copy {log_id}", partial(self._core.incoming.promote, log_id)
        )

    async def _delete(self, log_id: LogId) -> None:
        await retry_until_done(f"deletion of copy {log_id}", partial(self._core.delete_log, log_id))
