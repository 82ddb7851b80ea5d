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
from tests.unit.common.rpc.test_metadata_client import run, served

GATEWAY = Gateway(0, (Endpoint("PLAINTEXT", "h", 1),))


class ScriptedService(MetadataServiceServicer):
    """A metadata service that does what a test says; the real one is in the contract's tests."""

    def __init__(self, *, lease_ms=10_000):
        self.lease_ms = lease_ms
        self.heard = asyncio.Queue()
        self.finish = asyncio.Event()

    async def Watch(self, requests, context):  # noqa: N802
        async def hear():
            async for request in requests:
                await self.heard.put(request)

        hearing = asyncio.create_task(hear())
        yield pb.WatchResponse(revision=7, is_snapshot=True, lease_ms=self.lease_ms)
        await self.finish.wait()
        hearing.cancel()

    async def heard_event(self, kind):
        """The next message of this kind; what comes before it is dropped."""
        while (heard := await self.heard.get()).WhichOneof("event") != kind:
            pass
        return heard


def test_a_watch_registers_first_then_acknowledges_what_it_was_told_to():
    async def body():
        service = ScriptedService()
        async with served(service) as address, open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(GATEWAY)
            change = await anext(aiter(watch))
            assert (change.revision, change.is_snapshot) == (7, True)
            assert (await service.heard.get()).register_gateway.node_id == 0
            watch.acknowledge(5)
            watch.acknowledge(7)
            while (heard := await service.heard.get()).WhichOneof("event") == "heartbeat":
                pass
            assert heard.acknowledged_revision == 7
            await watch.close()

    run(body)


def test_a_watch_with_nothing_to_say_sends_heartbeats_within_the_lease():
    async def body():
        service = ScriptedService(lease_ms=30)
        async with served(service) as address, open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(GATEWAY)
            await anext(aiter(watch))
            events = [(await service.heard.get()).WhichOneof("event") for _ in range(4)]
            assert events == ["register_gateway", "heartbeat", "heartbeat", "heartbeat"]
            await watch.close()

    run(body)


def test_a_service_that_ends_the_watch_is_unavailable():
    async def body():
        service = ScriptedService()
        async with served(service) as address, open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(GATEWAY)
            changes = aiter(watch)
            await anext(changes)
            service.finish.set()
            with pytest.raises(BackendUnavailable, match="ended by the service"):
                await anext(changes)
            await watch.close()

    run(body)


def test_where_nobody_listens_a_watch_fails_at_once():
    async def body():
        async with served(ScriptedService()) as address:
            pass
        async with open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(GATEWAY)
            with pytest.raises(BackendUnavailable, match="metadata Watch"):
                await anext(aiter(watch))
            await watch.close()

    run(body)


def test_reports_go_out_beside_acknowledgements():
    async def body():
        service = ScriptedService()
        report = MemberReport((LogLoad(bytes(16), 3, 1_000, 10),), (MoveProgress(7, 5, 9),))
        async with served(service) as address, open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(Member("p", "a:1"))
            await anext(aiter(watch))
            watch.report(report)
            watch.acknowledge(7)
            assert (await service.heard_event("acknowledged_revision")).acknowledged_revision == 7
            heard = await service.heard_event("report")
            assert report_from_message(heard.report) == report
            await watch.close()

    run(body)


def test_reports_that_wait_to_be_sent_become_one_with_the_newest_word_on_each_thing():
    async def body():
        service = ScriptedService()
        async with served(service) as address, open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(Member("p", "a:1"))
            # Nothing is sent before somebody reads.
            watch.report(MemberReport((LogLoad(bytes(16), 0, 1, 1), LogLoad(bytes(16), 1, 1, 1))))
            watch.report(MemberReport((LogLoad(bytes(16), 1, 2, 2),), (MoveProgress(7, 5, 9),)))
            await anext(aiter(watch))
            heard = await service.heard_event("report")
            assert report_from_message(heard.report) == MemberReport(
                (LogLoad(bytes(16), 0, 1, 1), LogLoad(bytes(16), 1, 2, 2)), (MoveProgress(7, 5, 9),)
            )
            await watch.close()

    run(body)


def test_a_refused_registration_is_told_apart_from_a_service_that_is_away():
    class Service(ScriptedService):
        async def Watch(self, requests, context):  # noqa: N802
            await anext(requests)
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the volume is another's")
            yield

    async def body():
        async with served(Service()) as address, open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(Member("p", "a:1"))
            with pytest.raises(RegistrationRefused, match="the volume is another's"):
                await anext(aiter(watch))
            await watch.close()

    run(body)


def test_a_bug_in_what_is_sent_ends_the_watch_at_once(caplog):
    async def body():
        service = ScriptedService()
        async with served(service) as address, open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(GATEWAY)
            changes = aiter(watch)
            await anext(changes)
            watch.report(MemberReport([LogLoad(b"", 0, 1 << 70, 0)]))
            with pytest.raises(BackendUnavailable):
                await anext(changes)
            await watch.close()

    run(body)
    assert "the sender of the metadata watch crashed" in caplog.text
