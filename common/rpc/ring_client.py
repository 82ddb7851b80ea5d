"""gRPC client of the port to the ring and its moves, for partition services and operators."""

import grpc.aio

from common.ports.moves import MemberProcess, Move, MovePhase, RingDescription, RingResult
from common.rpc.channels import CALL_TIMEOUT_S, unavailable_on_failure
from common.rpc.leader import LeaderChannel
from common.rpc.messages.ring import (
    move_from_message,
    process_to_message,
    ring_from_message,
    ring_result_from_message,
)
from protos.metadata.v1 import ring_pb2 as pb
from protos.metadata.v1.ring_pb2_grpc import RingServiceStub


class GrpcRing:
    """Implements `common.ports.moves.Ring`.

    Calls wait for a restarting service up to their deadline. A call that raises
    `BackendUnavailable` may have taken effect; every call is safe to retry.
    """

    def __init__(self, channel: grpc.aio.Channel | LeaderChannel) -> None:
        """The caller owns the channel and closes it after the last call."""
        self._stub = RingServiceStub(channel)

    async def describe_ring(self) -> RingDescription:
        with unavailable_on_failure("metadata DescribeRing"):
            response: pb.DescribeRingResponse = await self._stub.DescribeRing(
                pb.DescribeRingRequest(), timeout=CALL_TIMEOUT_S, wait_for_ready=True
            )
        return ring_from_message(response)

    async def add_member(self, name: str) -> RingResult:
        return await self._change(pb.ChangeRingRequest(add_member=name))

    async def drain_member(self, name: str) -> RingResult:
        return await self._change(pb.ChangeRingRequest(drain_member=name))

    async def remove_member(self, name: str, *, accept_data_loss: bool = False) -> RingResult:
        request = pb.ChangeRingRequest(remove_member=name, accept_data_loss=accept_data_loss)
        return await self._change(request)

    async def accept_volume(self, name: str) -> RingResult:
        return await self._change(pb.ChangeRingRequest(accept_volume=name))

    async def cancel_move(self, move_id: int) -> RingResult:
        return await self._change(pb.ChangeRingRequest(cancel_move=move_id))

    async def advance_move(
        self, move_id: int, phase: MovePhase, *, process: MemberProcess | None = None
    ) -> Move | None:
        request = pb.AdvanceMoveRequest(
            move_id=move_id,
            phase="MOVE_PHASE_" + phase.name,
            process=process_to_message(process),
        )
        with unavailable_on_failure("metadata AdvanceMove"):
            response: pb.AdvanceMoveResponse = await self._stub.AdvanceMove(
                request, timeout=CALL_TIMEOUT_S, wait_for_ready=True
            )
        return move_from_message(response.move) if response.HasField("move") else None

    async def end_move(self, move_id: int, *, process: MemberProcess | None = None) -> None:
        request = pb.EndMoveRequest(move_id=move_id, process=process_to_message(process))
        with unavailable_on_failure("metadata EndMove"):
            await self._stub.EndMove(request, timeout=CALL_TIMEOUT_S, wait_for_ready=True)

    async def _change(self, request: pb.ChangeRingRequest) -> RingResult:
        with unavailable_on_failure("metadata ChangeRing"):
            response: pb.ChangeRingResponse = await self._stub.ChangeRing(
                request, timeout=CALL_TIMEOUT_S, wait_for_ready=True
            )
        return ring_result_from_message(response)
