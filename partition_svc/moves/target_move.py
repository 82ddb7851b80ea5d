"""The target's side of one move: copy, catch up, fence, commit. The metadata service records each.

After an interruption it continues from the recorded phase and from the copy. Every step may be
repeated, except that a complete copy is never changed: its COMMIT may already be on its way.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import count
from typing import Final, TypeAlias

import grpc.aio

from common.ports.moves import Move, MovePhase, MoveProgress, Ring
from common.ports.partitions import LogId, Refusal
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import unavailable_on_failure
from common.runtime.failpoints import reach
from partition_svc.log.rate_limit import NO_LIMIT, RateLimit
from partition_svc.log.transfer.incoming import NoRoom
from partition_svc.log.transfer.incoming_log import IncomingLog
from partition_svc.log.transfer.outgoing import NotMoveSource
from partition_svc.moves.messages import head_from_message, moved_log, rows_from_message
from partition_svc.moves.source_connection import SourceConnections, source_stub
from partition_svc.partitions import LocalPartitions
from partition_svc.store.keys import FEW_MOVED_KINDS, PRODUCERS, LogHead
from protos.partition.v1 import moving_pb2 as pb

log = logging.getLogger(__name__)

#: Largest tail that is copied behind the fence, while the log takes no appends.
_SHORT_BYTES: Final = 1 << 20
#: Rounds of catching up after which that limit grows, so that a log moves even if it is appended to
#: as fast as it is copied.
_ROUNDS: Final = 8
_SHORT_BYTES_MAX: Final = 32 << 20

# In quotes: generic for the type checker only.
_Call: TypeAlias = "grpc.aio.UnaryStreamCall[pb.CopyLogRequest, pb.LogPart]"


class MoveCancelled(Exception):
    """Raised when the move was rolled back or is over."""


class TargetMove:
    """Runs one move as its target. `move` is its newest known record."""

    def __init__(
        self,
        move: Move,
        core: LocalPartitions,
        ring: Ring,
        sources: SourceConnections,
        limit: RateLimit,
    ) -> None:
        self.move = move
        self._log = LogId(move.topic_id, move.partition)
        self._core = core
        self._incoming = core.incoming
        self._ring = ring
        self._sources = sources
        self._limit = limit
        self._copy: IncomingLog | None = None
        self._total_bytes = 0
        #: The reason why the last attempt failed.
        self._trouble = ""
        self._needs_room = False

    @property
    def progress(self) -> MoveProgress:
        copied_bytes = 0 if self._copy is None else self._copy.head.size_bytes
        total_bytes = max(self._total_bytes, copied_bytes)
        return MoveProgress(self.move.move_id, copied_bytes, total_bytes, self._trouble)

    def on_failure(self, reason: str) -> None:
        """Records the reason of a failed attempt, for operators."""
        self._trouble = reason

    def update(self, move: Move) -> None:
        """Takes over a newer record of the move. Phases never go back."""
        if move.phase > self.move.phase:
            self.move = move

    async def attempt(self) -> None:
        """Runs the remaining steps. After a retriable exception, call it again."""
        try:
            if self._needs_room:
                self._incoming.check_room(self._total_bytes)
            await self._continue()
        except MoveCancelled:
            log.info("move %d of %s was cancelled", self.move.move_id, self._log)
        except NoRoom:
            await self._delete_copy()
            raise
        else:
            self._core.learn_ownership(self._log, self.move.leader_epoch + 1)

    async def _delete_copy(self) -> None:
        """Deletes the copy at once: the logs served here need the space."""
        if self._copy is not None:
            self._copy = None
            self._needs_room = True
            await self._core.delete_log(self._log)

    async def _continue(self) -> None:
        if self.move.phase >= MovePhase.COMMIT:
            return
        await self._reuse_leftover()
        self._copy = copy = await self._incoming.begin(self.move)
        if not copy.marker.is_whole:
            await self._copy_bulk(copy)
        if self.move.phase < MovePhase.FENCE:
            # A complete copy in an earlier phase only shows that the view is behind.
            if not copy.marker.is_whole:
                await reach("move.target.catch-up")
                await self._catch_up(copy)
            await self._advance(MovePhase.FENCE)
        if not copy.marker.is_whole:
            await reach("move.target.fence")
            await self._complete_behind_fence(copy)
        await reach("move.target.installed")
        await self._advance(MovePhase.COMMIT)
        await reach("move.target.committed")

    async def _reuse_leftover(self) -> None:
        """Continues with the copy of an earlier move if the source's log still begins with it."""
        left = self._incoming.leftover_head(self.move)
        if left is None:
            return
        request = pb.CopyLogRequest(
            log=moved_log(self.move), offset=left.next_offset, last_epoch=left.leader_epoch
        )
        with unavailable_on_failure(f"{self.move.source} CopyLog"):
            call: _Call = source_stub(self._sources, self.move.source).CopyLog(request)
        async with aclosing(_parts(call, f"{self.move.source} CopyLog")) as parts:
            first = await anext(parts, None)
        if first is not None and first.head.continues:
            await self._incoming.reuse_leftover(self.move)
            log.info("%s is copied from offset %d on", self._log, left.next_offset)

    async def _copy_bulk(self, copy: IncomingLog) -> None:
        """Copies the existing log and its producers, of which there may be very many."""
        if self.move.phase < MovePhase.CATCH_UP:
            await reach("move.target.prepare")
        # Clients wait behind the fence.
        limit = self._limit if self.move.phase < MovePhase.FENCE else NO_LIMIT
        await self._incoming.clear_rows(copy, [PRODUCERS])
        await self._copy_round(copy, limit, with_producers=True)
        # An older source sends the producers behind the fence.
        copy.has_producers = True
        if self.move.phase < MovePhase.CATCH_UP:
            await self._advance(MovePhase.CATCH_UP)

    async def _advance(self, phase: MovePhase) -> None:
        process = self._core.process
        move = await self._ring.advance_move(self.move.move_id, phase, process=process)
        if move is None:
            raise MoveCancelled
        self.move = move
        if move.phase < phase:
            raise BackendUnavailable(f"move {move.move_id} did not reach {phase.name}")

    async def _catch_up(self, copy: IncomingLog) -> None:
        """Copies the tail until it is short; without the rate limit if it does not get shorter."""
        limit, before = self._limit, -1
        for rounds in count():
            size = await self._copy_round(copy, limit)
            if size <= min(_SHORT_BYTES << max(0, rounds - _ROUNDS), _SHORT_BYTES_MAX):
                return
            if 0 <= before < 2 * size:
                limit = NO_LIMIT
            before = size

    async def _copy_round(
        self, copy: IncomingLog, limit: RateLimit, *, with_producers: bool = False
    ) -> int:
        """Copies what the log has now, durably. Returns the number of bytes."""
        before = copy.head.size_bytes
        request = pb.CopyLogRequest(
            log=moved_log(self.move), offset=copy.next_offset, with_producers=with_producers
        )
        with unavailable_on_failure(f"{self.move.source} CopyLog"):
            call: _Call = source_stub(self._sources, self.move.source).CopyLog(request)
        async with aclosing(_parts(call, f"{self.move.source} CopyLog")) as parts:
            async for part in parts:
                if part.HasField("head"):
                    self._on_size(copy, part.head.size_bytes)
                elif part.HasField("rows"):
                    await limit.acquire(part.ByteSize())
                    await self._incoming.add_rows(copy, rows_from_message(part.rows))
                else:
                    await limit.acquire(len(part.batches))
                    await self._incoming.add(copy, part.batches)
        await self._incoming.sync(copy)
        return copy.head.size_bytes - before

    def _on_size(self, copy: IncomingLog, size_bytes: int) -> None:
        """Checks the size that the source reports. Raises `NoRoom` before any data arrives."""
        self._total_bytes = size_bytes
        self._incoming.check_room(max(0, size_bytes - copy.head.size_bytes))
        self._trouble = ""

    async def _complete_behind_fence(self, copy: IncomingLog) -> None:
        """Fences the log at the source, and completes the copy."""
        request = pb.FenceLogRequest(
            log=moved_log(self.move), offset=copy.next_offset, has_producers=copy.has_producers
        )
        with unavailable_on_failure(f"{self.move.source} FenceLog"):
            call: _Call = source_stub(self._sources, self.move.source).FenceLog(request)
        head: LogHead | None = None
        async with aclosing(_parts(call, f"{self.move.source} FenceLog")) as parts:
            async for part in parts:
                if part.HasField("head"):
                    head = head_from_message(part.head)
                    await reach("move.target.fenced")
                    await self._incoming.clear_rows(copy, FEW_MOVED_KINDS)
                elif part.HasField("rows"):
                    await self._incoming.add_rows(copy, rows_from_message(part.rows))
                else:
                    await self._incoming.add(copy, part.batches)
        if head is None:
            raise BackendUnavailable(f"{self.move.source} FenceLog: no head")
        await self._incoming.complete(copy, head)


async def _parts(call: _Call, what: str) -> AsyncGenerator[pb.LogPart, None]:
    """Yields the parts of a stream, and cancels the call at the end.

    Raises:
        NotMoveSource: the source refuses.
        BackendUnavailable: the stream broke.
    """
    try:
        while True:
            with unavailable_on_failure(what):
                part = await call.read()
            if not isinstance(part, pb.LogPart):
                return
            if part.HasField("refusal"):
                raise NotMoveSource(Refusal(part.refusal))
            yield part
    finally:
        call.cancel()
