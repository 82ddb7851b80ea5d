import asyncio
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest

from common.ports.moves import Move, MovePhase, RingRefusal, RingResult
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import open_channel
from common.rpc.messages.ring import move_to_message
from common.rpc.ring_client import GrpcRing
from protos.metadata.v1 import ring_pb2 as pb
from protos.metadata.v1.ring_pb2_grpc import RingServiceServicer, add_RingServiceServicer_to_server

MOVE = Move(7, bytes(16), 0, "p-0", "p-1", 3, MovePhase.FENCE)


class ScriptedService(RingServiceServicer):
    """Records requests; contract tests use the real service."""

    def __init__(self):
        self.requests = []

    async def DescribeRing(self, request, context):  # noqa: N802
        return pb.DescribeRingResponse(revision=5, waiting_moves=2)

    async def ChangeRing(self, request, context):  # noqa: N802
        self.requests.append((request.WhichOneof("change"), request))
        return pb.ChangeRingResponse(refusal="RING_REFUSAL_ALIVE", message="reason")

    async def AdvanceMove(self, request, context):  # noqa: N802
        known = request.move_id == MOVE.move_id and request.phase == pb.MOVE_PHASE_FENCE
        return pb.AdvanceMoveResponse(move=move_to_message(MOVE) if known else None)

    async def EndMove(self, request, context):  # noqa: N802
        await context.abort(grpc.StatusCode.UNAVAILABLE, "stopping")


@asynccontextmanager
async def serve(service):
    server = grpc.aio.server()
    add_RingServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with open_channel(f"127.0.0.1:{port}") as channel:
            yield GrpcRing(channel)
    finally:
        await server.stop(None)


def run(body):
    async def bounded():
        service = ScriptedService()
        async with asyncio.timeout(60), serve(service) as ring:
            await body(ring, service)

    asyncio.run(bounded())


def test_every_change_is_sent_under_its_name_and_a_refusal_returned():
    async def body(ring, service):
        results = [
            await ring.add_member("a"),
            await ring.drain_member("b"),
            await ring.remove_member("c"),
            await ring.cancel_move(2**40),
            await ring.accept_volume("d"),
        ]
        assert results == [RingResult(RingRefusal.ALIVE, "reason")] * 5
        assert [(kind, getattr(request, kind)) for kind, request in service.requests] == [
            ("add_member", "a"),
            ("drain_member", "b"),
            ("remove_member", "c"),
            ("cancel_move", 2**40),
            ("accept_volume", "d"),
        ]

    run(body)


def test_an_unknown_move_is_none():
    async def body(ring, service):
        assert await ring.advance_move(7, MovePhase.FENCE) == MOVE
        assert await ring.advance_move(8, MovePhase.FENCE) is None

    run(body)


def test_the_ring_is_described():
    async def body(ring, service):
        described = await ring.describe_ring()
        assert (described.revision, described.waiting_moves) == (5, 2)

    run(body)


def test_a_call_that_did_not_run_is_unavailable_with_the_text_of_the_service():
    async def body(ring, service):
        with pytest.raises(BackendUnavailable, match=r"metadata EndMove.*stopping"):
            await ring.end_move(7)

    run(body)
