import asyncio
import logging
import socket
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer, add_HealthServicer_to_server

from common.client import reachability
from common.client.reachability import Reachability
from common.ports.unavailable import OwnerLost
from common.rpc.member_channel import MemberChannel, MemberNameInterceptor
from common.rpc.server import RpcServer
from tests.support.processes.ports import ReservedPort
from tests.support.stores.partition_core import until


@asynccontextmanager
async def followed(address):
    """A reachability, and the errors that it gave to what waited."""
    channel = MemberChannel("p-0", address)
    followed, errors = Reachability("p-0", address, channel), asyncio.Queue()
    followed.on_lost(errors.put_nowait)
    try:
        yield followed, errors
    finally:
        await followed.close()
        await channel.close()


@asynccontextmanager
async def serving(address, *options):
    server = grpc.aio.server(options=options)
    server.add_insecure_port(address)
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


@pytest.fixture
def port():
    reserved = ReservedPort()
    yield reserved
    reserved.release()


def run(story):
    async def within_limits():
        async with asyncio.timeout(60):
            await story()

    asyncio.run(within_limits())


def test_an_owner_that_is_not_there_is_lost_until_it_is(port, caplog):
    caplog.set_level(logging.INFO)

    async def story():
        async with followed(port.address) as (owner, errors):
            owner.check()
            assert not owner.is_lost
            assert "p-0 at 127.0.0.1" in str(await errors.get())
            with pytest.raises(OwnerLost, match="cannot be reached"):
                owner.check()
            async with serving(port.address):
                await until(lambda: not owner.is_lost)
                owner.check()
            await errors.get()
            assert owner.is_lost

    run(story)
    lines = [record.getMessage().partition(":")[0] for record in caplog.records]
    at = f"p-0 at {port.address.partition(':')[0]}"
    assert [line for line in lines if line.startswith(("cannot reach", at))] == [
        f"cannot reach {at}",
        at,
        f"cannot reach {at}",
    ]


def test_an_address_that_says_nothing_is_lost_after_a_while(monkeypatch):
    monkeypatch.setattr(reachability, "_FIRST_HOLD_S", 0.05)

    async def story():
        with socket.create_server(("127.0.0.1", 0)) as silent:
            async with followed(f"127.0.0.1:{silent.getsockname()[1]}") as (owner, errors):
                await errors.get()
                assert owner.is_lost

    run(story)


def test_a_connection_that_is_replaced_loses_nobody(port, monkeypatch):
    monkeypatch.setattr(reachability, "_HOLD_S", 60.0)
    ready = asyncio.Semaphore(0)
    real = Reachability._apply_state

    def note(self, state):
        real(self, state)
        if state is grpc.ChannelConnectivity.READY:
            ready.release()

    monkeypatch.setattr(Reachability, "_apply_state", note)

    async def story():
        # The server ends each connection after a moment.
        short = serving(port.address, ("grpc.max_connection_age_ms", 50))
        async with short, followed(port.address) as (owner, errors):
            for _ in range(3):
                await ready.acquire()
            assert errors.empty()
            assert not owner.is_lost

    run(story)


def test_an_address_that_another_member_has_now_is_lost(port, monkeypatch):
    """As the IP of a pod that is gone may be given to another one."""
    monkeypatch.setattr(reachability, "_CHECK_AGAIN_S", 0.05)

    async def serve(name):
        refusing = [MemberNameInterceptor(name)]
        server = RpcServer([], address=port.address, interceptors=refusing)
        await server.start()
        return server

    async def story():
        server = await serve("p-1")
        async with followed(port.address) as (owner, errors):
            await errors.get()
            with pytest.raises(OwnerLost):
                owner.check()
            await server.stop(grace_s=0)
            server = await serve("p-0")
            await until(lambda: not owner.is_lost)
        await server.stop(grace_s=0)

    run(story)


def test_a_member_that_hangs_is_lost_until_it_answers(port, monkeypatch):
    for name in ("_CHECK_EVERY_S", "_CHECK_TIMEOUT_S", "_CHECK_AGAIN_S"):
        monkeypatch.setattr(reachability, name, 0.1)
    answers = asyncio.Event()

    class Hanging(HealthServicer):
        async def Check(self, _request, _context):  # noqa: N802 - gRPC's name
            await answers.wait()
            return HealthCheckResponse()

    async def story():
        answers.set()
        server = grpc.aio.server()
        add_HealthServicer_to_server(Hanging(), server)
        server.add_insecure_port(port.address)
        await server.start()
        async with followed(port.address) as (owner, errors):
            answers.clear()
            await errors.get()
            assert owner.is_lost
            answers.set()
            await until(lambda: not owner.is_lost)
        await server.stop(None)

    run(story)


def test_a_lost_owner_is_named_again_from_time_to_time(port, monkeypatch, caplog):
    monkeypatch.setattr(reachability, "_LOG_AGAIN_S", 0.05)

    def lines():
        return [one for one in caplog.messages if one.startswith("cannot reach")]

    async def story():
        async with followed(port.address):
            await until(lambda: len(lines()) == 3)
        count = len(lines())
        await asyncio.sleep(0.1)
        assert len(lines()) == count

    run(story)
