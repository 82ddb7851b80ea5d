import asyncio

import grpc.aio
import pytest

from common.ports.metadata import Endpoint, Gateway, Member
from common.ports.moves import LogLoad, MemberReport, MoveProgress
from common.ports.unavailable import BackendUnavailable, RegistrationRefused
from common.rpc.channels import open_channel
from common.rpc.messages.ring import report_from_message
from common.rpc.metadata_client import GrpcMetadata
from protos.metadata.v1 import metadata_pb2 as pb
from protos.metadata.v1.metadata_pb2_grpc import MetadataServiceServicer
from tests.unit.common.rpc.test_metadata_client import run, serve

GATEWAY = Gateway(0, (Endpoint("PLAINTEXT", "h", 1),))


class ScriptedService(MetadataServiceServicer):
    """A metadata service whose watch ends at `finish`; contract tests use the real one."""

    def __init__(self, *, lease_ms=10_000):
        self.lease_ms = lease_ms
        self.requests = asyncio.Queue()
        self.finish = asyncio.Event()

    async def Watch(self, requests, context):  # noqa: N802
        async def receive():
            async for request in requests:
                await self.requests.put(request)

        receiving = asyncio.create_task(receive())
        yield pb.WatchResponse(revision=7, is_snapshot=True, lease_ms=self.lease_ms)
        await self.finish.wait()
        receiving.cancel()

    async def next_request(self, kind):
        """Returns the next request of this kind; drops those before it."""
        while (request := await self.requests.get()).WhichOneof("event") != kind:
            pass
        return request


def test_a_watch_registers_first_and_then_sends_acknowledgements():
    async def body():
        service = ScriptedService()
        async with serve(service) as address, open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(GATEWAY)
            change = await anext(aiter(watch))
            assert (change.revision, change.is_snapshot) == (7, True)
            assert (await service.requests.get()).register_gateway.node_id == 0
            watch.acknowledge(5)
            watch.acknowledge(7)
            while (request := await service.requests.get()).WhichOneof("event") == "heartbeat":
                pass
            assert request.acknowledged_revision == 7
            await watch.close()

    run(body)


def test_an_idle_watch_sends_heartbeats_within_the_lease():
    async def body():
        service = ScriptedService(lease_ms=30)
        async with serve(service) as address, open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(GATEWAY)
            await anext(aiter(watch))
            events = [(await service.requests.get()).WhichOneof("event") for _ in range(4)]
            assert events == ["register_gateway", "heartbeat", "heartbeat", "heartbeat"]
            await watch.close()

    run(body)


def test_a_service_that_ends_the_watch_is_unavailable():
    async def body():
        service = ScriptedService()
        async with serve(service) as address, open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(GATEWAY)
            changes = aiter(watch)
            await anext(changes)
            service.finish.set()
            with pytest.raises(BackendUnavailable, match="ended by the service"):
                await anext(changes)
            await watch.close()

    run(body)


def test_a_watch_at_a_closed_port_fails_at_once():
    async def body():
        async with serve(ScriptedService()) as address:
            pass
        async with open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(GATEWAY)
            with pytest.raises(BackendUnavailable, match="metadata Watch"):
                await anext(aiter(watch))
            await watch.close()

    run(body)


def test_reports_are_sent_beside_acknowledgements():
    async def body():
        service = ScriptedService()
        report = MemberReport((LogLoad(bytes(16), 3, 1_000, 10),), (MoveProgress(7, 5, 9),))
        async with serve(service) as address, open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(Member("p", "a:1"))
            await anext(aiter(watch))
            watch.report(report)
            watch.acknowledge(7)
            assert (await service.next_request("acknowledged_revision")).acknowledged_revision == 7
            request = await service.next_request("report")
            assert report_from_message(request.report) == report
            await watch.close()

    run(body)


def test_queued_reports_are_merged_with_the_newest_value_of_each_entry():
    async def body():
        service = ScriptedService()
        async with serve(service) as address, open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(Member("p", "a:1"))
            # Nothing is sent before the watch is read.
            watch.report(MemberReport((LogLoad(bytes(16), 0, 1, 1), LogLoad(bytes(16), 1, 1, 1))))
            watch.report(MemberReport((LogLoad(bytes(16), 1, 2, 2),), (MoveProgress(7, 5, 9),)))
            await anext(aiter(watch))
            request = await service.next_request("report")
            assert report_from_message(request.report) == MemberReport(
                (LogLoad(bytes(16), 0, 1, 1), LogLoad(bytes(16), 1, 2, 2)), (MoveProgress(7, 5, 9),)
            )
            await watch.close()

    run(body)


def test_a_refused_registration_differs_from_an_unreachable_service():
    class Service(ScriptedService):
        async def Watch(self, requests, context):  # noqa: N802
            await anext(requests)
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the volume is another's")
            yield

    async def body():
        async with serve(Service()) as address, open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(Member("p", "a:1"))
            with pytest.raises(RegistrationRefused, match="the volume is another's"):
                await anext(aiter(watch))
            await watch.close()

    run(body)


def test_a_report_that_cannot_be_encoded_ends_the_watch_at_once(caplog):
    async def body():
        service = ScriptedService()
        async with serve(service) as address, open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(GATEWAY)
            changes = aiter(watch)
            await anext(changes)
            watch.report(MemberReport([LogLoad(b"", 0, 1 << 70, 0)]))
            with pytest.raises(BackendUnavailable):
                await anext(changes)
            await watch.close()

    run(body)
    assert "the sender of the metadata watch crashed" in caplog.text
