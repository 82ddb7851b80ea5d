"""Errors and waits of the client; its contract over gRPC is in test_coordinator_servicer.py."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from common.client.groups.coordinator_client import GrpcCoordinators
from common.ports.classic_groups import GroupHeartbeat, HeartbeatReply, JoinGroup, ListGroups
from common.ports.group_errors import GroupRefusal
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import open_channel
from common.rpc.server import RpcServer
from partition_svc.rpc.coordinator_servicer import CoordinatorServicer, service
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCoordinators

JOIN = JoinGroup("g", "", "consumer", [], 10_000, 60_000)


@asynccontextmanager
async def connect(fake):
    """Serves `fake` over gRPC; yields a client of it and the client's channel."""
    server = RpcServer([service(CoordinatorServicer(fake))], address="127.0.0.1:0")
    await server.start()
    try:
        async with open_channel(f"127.0.0.1:{server.port}") as channel:
            yield GrpcCoordinators("p-0", channel), channel
    finally:
        await server.stop(grace_s=0)


def test_requests_and_replies_are_transferred_with_all_fields():
    async def scenario():
        fake = FakeCoordinators()
        fake.replies[GroupHeartbeat] = HeartbeatReply(GroupRefusal.ILLEGAL_GENERATION)
        async with connect(fake) as (coordinators, _):
            request = GroupHeartbeat("g", "m", 3, "i")
            assert (await coordinators.call(request)) == fake.replies[GroupHeartbeat]
            assert fake.requests == [request]

    asyncio.run(scenario())


def test_unreachable_owner_is_unavailable():
    async def scenario():
        fake = FakeCoordinators()
        fake.error = BackendUnavailable("draining")
        async with connect(fake) as (coordinators, _):
            for call in (coordinators.call(JOIN), coordinators.list_groups(ListGroups())):
                with pytest.raises(BackendUnavailable, match="p-0"):
                    await call

    asyncio.run(scenario())


def test_join_waits_until_the_connection_ends():
    async def scenario():
        fake, arrived = FakeCoordinators(), asyncio.Event()

        async def wait_for_others(_):
            arrived.set()
            await asyncio.Event().wait()

        fake.reply_to = wait_for_others
        async with connect(fake) as (coordinators, channel):
            joining = coordinators.call(JOIN)
            await arrived.wait()
            assert not joining.done()
            await channel.close()
            with pytest.raises(BackendUnavailable):
                await joining

    asyncio.run(scenario())
