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


class Candidate(MetadataServiceServicer):
    """Leads or not, as a test says; knows how often it was called."""

    def __init__(self):
        self.port = ReservedPort()
        self.leads = False
        self.calls = Counter()
        self.server = None

    async def start(self):
        service = Service(METADATA, lambda to: add_MetadataServiceServicer_to_server(self, to))
        self.server = RpcServer([service], address=self.port.address)
        await self.server.start()
        await self.say(leads=self.leads)

    async def say(self, *, leads):
        self.leads = leads
        await self.server.set_serving(METADATA, leads)

    async def die(self):
        await self.server.stop(grace_s=0)

    async def AllocateProducerIds(self, request, context):  # noqa: N802
        self.calls["allocate"] += 1
        await self._answer(context)
        return pb.AllocateProducerIdsResponse(first_producer_id=self.port.port, count=1)

    async def CreateTopics(self, request, context):  # noqa: N802
        self.calls["create"] += 1
        await context.abort(grpc.StatusCode.UNAVAILABLE, "cut off in the middle")

    async def Watch(self, requests, context):  # noqa: N802
        self.calls["watch"] += 1
        await self._answer(context)
        await anext(requests)
        yield pb.WatchResponse(revision=self.port.port, cluster_id="c", is_snapshot=True)
        await asyncio.Event().wait()

    async def _answer(self, context):
        if not self.leads:
            await context.abort(grpc.StatusCode.UNAVAILABLE, f"{NOT_LEADER} of these")


@contextlib.asynccontextmanager
async def candidates(count):
    """Started, none leading, with a client of all of them."""
    them = [Candidate() for _ in range(count)]
    for one in them:
        await one.start()
    addresses = ",".join(one.port.address for one in them)
    try:
        async with open_leader_channel(addresses) as channel:
            yield them, channel
    finally:
        for one in them:
            await one.die()
            one.port.release()


async def asked(metadata):
    return (await metadata.allocate_producer_ids()).first


def run(body):
    async def bounded():
        async with asyncio.timeout(60):
            await body()

    asyncio.run(bounded())


def test_one_address_is_a_channel_like_any_other():
    async def body():
        async with open_leader_channel("localhost:1") as channel:
            assert isinstance(channel, grpc.aio.Channel)

    run(body)


def test_calls_go_to_the_leader_and_to_nobody_else():
    async def body():
        async with candidates(3) as (them, channel):
            await them[1].say(leads=True)
            for _ in range(5):
                assert await asked(GrpcMetadata(channel)) == them[1].port.port
            assert [one.calls["allocate"] for one in them] == [0, 5, 0]

    run(body)


def test_a_call_waits_for_an_election():
    async def body():
        async with candidates(2) as (them, channel):
            asking = asyncio.create_task(asked(GrpcMetadata(channel)))
            # An answer is a whole round of asking later than the question.
            await them[0].say(leads=False)
            await asyncio.wait([asking], timeout=0.2)
            assert not asking.done()
            await them[1].say(leads=True)
            assert await asking == them[1].port.port

    run(body)


def test_a_call_goes_on_to_the_next_leader_when_one_says_that_it_leads_no_more():
    async def body():
        async with candidates(2) as (them, channel):
            await them[0].say(leads=True)
            await asked(GrpcMetadata(channel))
            # Calls are refused before health tells of it.
            them[0].leads = False
            asking = asyncio.create_task(asked(GrpcMetadata(channel)))
            await them[1].say(leads=True)
            await them[0].say(leads=False)
            assert await asking == them[1].port.port

    run(body)


def test_a_leader_that_died_is_not_called_again():
    async def body():
        async with candidates(2) as (them, channel):
            await them[0].say(leads=True)
            await asked(GrpcMetadata(channel))
            first = await channel.leader(asyncio.get_running_loop().time() + 60)
            await them[1].say(leads=True)
            await them[0].die()
            # A call before the end of the connection is known fails: it may have taken effect.
            await first.wait_for_state_change(grpc.ChannelConnectivity.READY)
            assert await asked(GrpcMetadata(channel)) == them[1].port.port

    run(body)


def test_a_call_that_may_have_taken_effect_is_not_made_again():
    async def body():
        async with candidates(2) as (them, channel):
            await them[0].say(leads=True)
            with pytest.raises(BackendUnavailable, match="cut off in the middle"):
                await GrpcMetadata(channel).create_topics([NewTopic("t")], timeout_ms=30_000)
            assert them[0].calls["create"] == 1

    run(body)


def test_where_nobody_leads_a_call_ends_in_its_time():
    async def body():
        async with candidates(2) as (_, channel):
            assert isinstance(channel, LeaderChannel)
            with pytest.raises(BackendUnavailable, match="none of 2 addresses leads"):
                await channel.unary_unary("/any/Call")(b"", timeout=0.3)

    run(body)


def test_addresses_where_nobody_listens_do_not_keep_the_leader_from_being_found():
    async def body():
        async with candidates(1) as (them, _):
            await them[0].say(leads=True)
            unused = ReservedPort()
            addresses = f"{unused.address}, {them[0].port.address},"
            async with open_leader_channel(addresses) as channel:
                assert await asked(GrpcMetadata(channel)) == them[0].port.port
            unused.release()

    run(body)


def test_many_callers_ask_for_the_leader_once():
    async def body():
        async with candidates(2) as (them, channel):
            searches = []
            check_all = channel._check_all

            async def counting():
                searches.append(1)
                return await check_all()

            channel._check_all = counting
            await them[0].say(leads=True)
            await asyncio.gather(*(asked(GrpcMetadata(channel)) for _ in range(50)))
            assert len(searches) == 1

    run(body)


def test_a_watch_is_at_the_leader_and_ends_with_it():
    async def body():
        async with candidates(3) as (them, channel):
            await them[2].say(leads=True)
            watch = GrpcMetadata(channel).watch(GATEWAY)
            assert (await anext(watch)).revision == them[2].port.port
            await them[1].say(leads=True)
            await them[2].die()
            with pytest.raises(BackendUnavailable):
                await anext(watch)
            await watch.close()
            watch = GrpcMetadata(channel).watch(GATEWAY)
            assert (await anext(watch)).revision == them[1].port.port
            await watch.close()
            assert [one.calls["watch"] for one in them] == [0, 1, 1]

    run(body)
