"""MovingService: streams logs of this member to the targets of moves."""

from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc.aio

from common.ports.partitions import Refusal
from common.ports.unavailable import BackendUnavailable
from common.rpc.server import Service
from common.rpc.status import abort_with
from common.runtime.failpoints import reach
from partition_svc.log.partition_log import PartitionLog
from partition_svc.log.transfer.outgoing import NotMoveSource, OutgoingLogs
from partition_svc.moves.messages import head_to_message, log_from_message, rows_to_message
from partition_svc.store.failures import StorageFailed
from partition_svc.store.keys import FEW_MOVED_KINDS, MOVED_KINDS
from protos.partition.v1 import moving_pb2 as pb
from protos.partition.v1.moving_pb2_grpc import (
    MovingServiceServicer,
    add_MovingServiceServicer_to_server,
)

_Parts: TypeAlias = AsyncIterator[pb.LogPart]


class MovingServicer(MovingServiceServicer):
    """Implements the RPCs that `protos/partition/v1/moving.proto` describes."""

    def __init__(self, outgoing: OutgoingLogs) -> None:
        self._outgoing = outgoing
        self._is_stopping = False

    def end_streams(self) -> None:
        """Ends the streams of a stopping service; targets continue with the next process."""
        self._is_stopping = True

    async def CopyLog(  # noqa: N802 - named by the proto
        self,
        request: pb.CopyLogRequest,
        context: grpc.aio.ServicerContext[pb.CopyLogRequest, pb.LogPart],
    ) -> _Parts:
        async for part in self._abort_or_refuse(self._copy(request), context):
            yield part

    async def FenceLog(  # noqa: N802
        self,
        request: pb.FenceLogRequest,
        context: grpc.aio.ServicerContext[pb.FenceLogRequest, pb.LogPart],
    ) -> _Parts:
        async for part in self._abort_or_refuse(self._fence(request), context):
            yield part

    async def _copy(self, request: pb.CopyLogRequest) -> _Parts:
        log = await self._find(request.log)
        head = await self._outgoing.durable_head(log)
        continues = request.HasField("last_epoch") and self._outgoing.has_prefix(
            log, end_offset=request.offset, last_epoch=request.last_epoch
        )
        yield pb.LogPart(head=head_to_message(head, continues=continues))
        async for part in self._batches(log, request.offset, head.next_offset):
            yield part
            await reach("move.source.copy")
        if request.with_producers:
            async for rows in self._outgoing.producers(log, head.next_offset):
                yield pb.LogPart(rows=rows_to_message(rows))

    async def _fence(self, request: pb.FenceLogRequest) -> _Parts:
        log = await self._find(request.log)
        await reach("move.source.fence")
        head = await self._outgoing.fence(log, request.log.leader_epoch)
        await reach("move.source.fenced")
        yield pb.LogPart(head=head_to_message(head))
        async for part in self._batches(log, request.offset, head.next_offset):
            yield part
        kinds = FEW_MOVED_KINDS if request.has_producers else MOVED_KINDS
        async for rows in self._outgoing.rows(log, kinds):
            yield pb.LogPart(rows=rows_to_message(rows))

    async def _find(self, moved: pb.MovedLog) -> PartitionLog:
        return await self._outgoing.find(moved.move_id, log_from_message(moved), moved.leader_epoch)

    async def _batches(self, log: PartitionLog, offset: int, end_offset: int) -> _Parts:
        async for batches in self._outgoing.batches(log, offset, end_offset):
            yield pb.LogPart(batches=b"".join(batches))

    async def _abort_or_refuse(
        self, parts: _Parts, context: grpc.aio.ServicerContext[Any, pb.LogPart]
    ) -> _Parts:
        """Yields the parts, and a refusal if they fail; aborts when the service stops."""
        try:
            async for part in parts:
                if self._is_stopping:
                    await abort_with(
                        context, BackendUnavailable("the partition service is stopping")
                    )
                yield part
        except NotMoveSource as error:
            yield pb.LogPart(refusal=error.refusal)
        except StorageFailed:
            yield pb.LogPart(refusal=Refusal.KAFKA_STORAGE_ERROR)


def service(servicer: MovingServicer) -> Service:
    """Returns the servicer as a service of an `RpcServer`."""
    return Service(
        "partition.v1.MovingService",
        lambda server: add_MovingServiceServicer_to_server(servicer, server),
    )
