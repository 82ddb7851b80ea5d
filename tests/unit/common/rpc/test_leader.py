import asyncio
import contextlib
from collections import Counter

import grpc.aio
import pytest

from common.ports.metadata import Endpoint, Gateway, NewTopic
from common.ports.unavailable import BackendUnavailable
from common.rpc.leader import METADATA, NOT_LEADER, LeaderChannel, open_leader_channel
from common.rpc.metadata_client import GrpcMetadata
from common.rpc.server import RpcServer, Service
from protos.metadata.v1 import metadata_pb2 as pb
from protos.metadata.v1.metadata_pb2_grpc import (
    MetadataServiceServicer,
    add_MetadataServiceServicer_to_server,
)
from tests.support.processes.ports import ReservedPort

GATEWAY = Gateway(0, (Endpoint("PLAINTEXT", "localhost", 9092),))


class FakeCandidate(MetadataServiceServicer):
    """Refuses calls unless it leads; counts them."""

    def __init__(self):
        self.port = ReservedPort()
        self.leads = False
        self.calls = Counter()
        self.server = None

    async def start(self):
        service = Service(METADATA, lambda to: add_MetadataServiceServicer_to_server(self, to))
        self.server = RpcServer([service], address=self.port.address)
        await self.server.start()
        await self.set_leading(leads=self.leads)

    async def set_leading(self, *, leads):
        self.leads = leads
        await self.server.set_serving(METADATA, leads)

    async def stop(self):
        await self.server.stop(grace_s=0)

    async def AllocateProducerIds(self, request, context):  # noqa: N802
        self.calls["allocate"] += 1
        await self._check_leading(context)
        return pb.AllocateProducerIdsResponse(first_producer_id=self.port.port, count=1)

    async def CreateTopics(self, request, context):  # noqa: N802
        self.calls["create"] += 1
        await context.abort(grpc.StatusCode.UNAVAILABLE, "connection closed")

    async def Watch(self, requests, context):  # noqa: N802
        self.calls["watch"] += 1
        await self._check_leading(context)
        await anext(requests)
        yield pb.WatchResponse(revision=self.port.port, cluster_id="c", is_snapshot=True)
        await asyncio.Event().wait()

    async def _check_leading(self, context):
        if not self.leads:
            await context.abort(grpc.StatusCode.UNAVAILABLE, f"{NOT_LEADER} of the test")


@contextlib.asynccontextmanager
async def run_candidates(count):
    """Starts candidates that do not lead; yields them and a channel to all of them."""
    candidates = [FakeCandidate() for _ in range(count)]
    for candidate in candidates:
        await candidate.start()
    addresses = ",".join(candidate.port.address for candidate in candidates)
    try:
        async with open_leader_channel(addresses) as channel:
            yield candidates, channel
    finally:
        for candidate in candidates:
            await candidate.stop()
            candidate.port.release()


async def allocate_producer_id(metadata):
    return (await metadata.allocate_producer_ids()).first


def run(body):
    async def bounded():
        async with asyncio.timeout(60):
            await body()

    asyncio.run(bounded())


def test_one_address_gets_a_plain_channel():
    async def body():
        async with open_leader_channel("localhost:1") as channel:
            assert isinstance(channel, grpc.aio.Channel)

    run(body)


def test_calls_go_to_the_leader_only():
    async def body():
        async with run_candidates(3) as (candidates, channel):
            await candidates[1].set_leading(leads=True)
            for _ in range(5):
                assert await allocate_producer_id(GrpcMetadata(channel)) == candidates[1].port.port
            assert [candidate.calls["allocate"] for candidate in candidates] == [0, 5, 0]

    run(body)


def test_a_call_waits_for_an_election():
    async def body():
        async with run_candidates(2) as (candidates, channel):
            call = asyncio.create_task(allocate_producer_id(GrpcMetadata(channel)))
            # When this returns, a whole round of health checks has passed.
            await candidates[0].set_leading(leads=False)
            await asyncio.wait([call], timeout=0.2)
            assert not call.done()
            await candidates[1].set_leading(leads=True)
            assert await call == candidates[1].port.port

    run(body)


def test_a_call_is_repeated_at_the_next_leader_when_the_former_one_refuses_it():
    async def body():
        async with run_candidates(2) as (candidates, channel):
            await candidates[0].set_leading(leads=True)
            await allocate_producer_id(GrpcMetadata(channel))
            # Calls are refused before the health status changes.
            candidates[0].leads = False
            call = asyncio.create_task(allocate_producer_id(GrpcMetadata(channel)))
            await candidates[1].set_leading(leads=True)
            await candidates[0].set_leading(leads=False)
            assert await call == candidates[1].port.port

    run(body)


def test_a_leader_that_died_is_not_called_again():
    async def body():
        async with run_candidates(2) as (candidates, channel):
            await candidates[0].set_leading(leads=True)
            await allocate_producer_id(GrpcMetadata(channel))
            first = await channel.leader(asyncio.get_running_loop().time() + 60)
            await candidates[1].set_leading(leads=True)
            await candidates[0].stop()
            # A call before the loss of the connection is known fails: it may have had an effect.
            await first.wait_for_state_change(grpc.ChannelConnectivity.READY)
            assert await allocate_producer_id(GrpcMetadata(channel)) == candidates[1].port.port

    run(body)


def test_a_call_that_may_have_had_an_effect_is_not_repeated():
    async def body():
        async with run_candidates(2) as (candidates, channel):
            await candidates[0].set_leading(leads=True)
            with pytest.raises(BackendUnavailable, match="connection closed"):
                await GrpcMetadata(channel).create_topics([NewTopic("t")], timeout_ms=30_000)
            assert candidates[0].calls["create"] == 1

    run(body)


def test_a_call_without_a_leader_ends_at_its_deadline():
    async def body():
        async with run_candidates(2) as (_, channel):
            assert isinstance(channel, LeaderChannel)
            with pytest.raises(BackendUnavailable, match="none of 2 addresses leads"):
                await channel.unary_unary("/any/Call")(b"", timeout=0.3)

    run(body)


def test_the_leader_is_found_beside_addresses_that_refuse_connections():
    async def body():
        async with run_candidates(1) as (candidates, _):
            await candidates[0].set_leading(leads=True)
            unused = ReservedPort()
            addresses = f"{unused.address}, {candidates[0].port.address},"
            async with open_leader_channel(addresses) as channel:
                assert await allocate_producer_id(GrpcMetadata(channel)) == candidates[0].port.port
            unused.release()

    run(body)


def test_concurrent_callers_share_one_search_for_the_leader():
    async def body():
        async with run_candidates(2) as (candidates, channel):
            searches = []
            check_all = channel._check_all

            async def counting_check_all():
                searches.append(1)
                return await check_all()

            channel._check_all = counting_check_all
            await candidates[0].set_leading(leads=True)
            await asyncio.gather(*(allocate_producer_id(GrpcMetadata(channel)) for _ in range(50)))
            assert len(searches) == 1

    run(body)


def test_a_watch_is_opened_at_the_leader_and_ends_with_it():
    async def body():
        async with run_candidates(3) as (candidates, channel):
            await candidates[2].set_leading(leads=True)
            watch = GrpcMetadata(channel).watch(GATEWAY)
            assert (await anext(watch)).revision == candidates[2].port.port
            await candidates[1].set_leading(leads=True)
            await candidates[2].stop()
            with pytest.raises(BackendUnavailable):
                await anext(watch)
            await watch.close()
            watch = GrpcMetadata(channel).watch(GATEWAY)
            assert (await anext(watch)).revision == candidates[1].port.port
            await watch.close()
            assert [candidate.calls["watch"] for candidate in candidates] == [0, 1, 1]

    run(body)
