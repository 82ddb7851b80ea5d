"""gRPC servicer of metadata.v1.RingService: converts to and from `LocalRing`."""

from collections.abc import Awaitable
from typing import Final

import grpc.aio

from common.ports.moves import MemberProcess, MovePhase, Ring, RingResult
from common.rpc.messages.ring import (
    move_to_message,
    process_from_message,
    ring_result_to_message,
    ring_to_message,
)
from common.rpc.server import RpcServer, Service
from common.rpc.status import MalformedRequest
from metadata_svc.core import LocalMetadata
from protos.metadata.v1 import ring_pb2 as pb
from protos.metadata.v1.ring_pb2_grpc import RingServiceServicer, add_RingServiceServicer_to_server

RING_SERVICE: Final = "metadata.v1.RingService"


class RingServicer(RingServiceServicer):
    """Implements the RPCs that `protos/metadata/v1/ring.proto` describes."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring

    async def DescribeRing(  # noqa: N802 - named by the proto
        self,
        request: pb.DescribeRingRequest,
        context: grpc.aio.ServicerContext[pb.DescribeRingRequest, pb.DescribeRingResponse],
    ) -> pb.DescribeRingResponse:
        return ring_to_message(await self._ring.describe_ring())

    async def ChangeRing(  # noqa: N802
        self,
        request: pb.ChangeRingRequest,
        context: grpc.aio.ServicerContext[pb.ChangeRingRequest, pb.ChangeRingResponse],
    ) -> pb.ChangeRingResponse:
        change = self._change(request)
        if change is None:
            raise MalformedRequest("the request contains no change")
        return ring_result_to_message(await change)

    async def AdvanceMove(  # noqa: N802
        self,
        request: pb.AdvanceMoveRequest,
        context: grpc.aio.ServicerContext[pb.AdvanceMoveRequest, pb.AdvanceMoveResponse],
    ) -> pb.AdvanceMoveResponse:
        try:
            phase = MovePhase(request.phase)
        except ValueError:
            raise MalformedRequest(f"unknown move phase {request.phase}") from None
        move = await self._ring.advance_move(request.move_id, phase, process=_process(request))
        return pb.AdvanceMoveResponse(move=None if move is None else move_to_message(move))

    async def EndMove(  # noqa: N802
        self,
        request: pb.EndMoveRequest,
        context: grpc.aio.ServicerContext[pb.EndMoveRequest, pb.EndMoveResponse],
    ) -> pb.EndMoveResponse:
        process = _process(request)
        await self._ring.end_move(request.move_id, process=process)
        return pb.EndMoveResponse()

    def _change(self, request: pb.ChangeRingRequest) -> Awaitable[RingResult] | None:
        match request.WhichOneof("change"):
            case "add_member":
                return self._ring.add_member(request.add_member)
            case "drain_member":
                return self._ring.drain_member(request.drain_member)
            case "remove_member":
                return self._ring.remove_member(
                    request.remove_member, accept_data_loss=request.accept_data_loss
                )
            case "cancel_move":
                return self._ring.cancel_move(request.cancel_move)
            case "accept_volume":
                return self._ring.accept_volume(request.accept_volume)
            case _:
                return None


def _process(request: pb.AdvanceMoveRequest | pb.EndMoveRequest) -> MemberProcess | None:
    return process_from_message(request.process) if request.HasField("process") else None


def service(ring: Ring) -> Service:
    """Returns the servicer with its name, for registration on an `RpcServer`."""
    servicer = RingServicer(ring)
    return Service(RING_SERVICE, lambda server: add_RingServiceServicer_to_server(servicer, server))


def publish_health(core: LocalMetadata, server: RpcServer) -> None:
    """Keeps RingService healthy on `server` while moves work. The process stays ready."""

    def update() -> None:
        server.set_serving_soon(RING_SERVICE, core.are_moves_working)

    core.moves_working_changed.subscribe(update)
    update()
