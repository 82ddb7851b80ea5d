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
async def follow(address):
    """Yields a `Reachability` and the errors that it reported."""
    channel = MemberChannel("p-0", address)
    owner, errors = Reachability("p-0", address, channel), asyncio.Queue()
    owner.on_lost(errors.put_nowait)
    try:
        yield owner, errors
    finally:
        await owner.close()
        await channel.close()


@asynccontextmanager
async def serve_port(address, *options):
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


def run(scenario):
    async def within_limits():
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(within_limits())


def test_owner_is_lost_until_it_starts(port, caplog):
    caplog.set_level(logging.INFO)

    async def scenario():
        async with follow(port.address) as (owner, errors):
            owner.check()
            assert not owner.is_lost
            assert "p-0 at 127.0.0.1" in str(await errors.get())
            with pytest.raises(OwnerLost, match="cannot be reached"):
                owner.check()
            async with serve_port(port.address):
                await until(lambda: not owner.is_lost)
                owner.check()
            await errors.get()
            assert owner.is_lost

    run(scenario)
    lines = [record.getMessage().partition(":")[0] for record in caplog.records]
    at = f"p-0 at {port.address.partition(':')[0]}"
    assert [line for line in lines if line.startswith(("cannot reach", at))] == [
        f"cannot reach {at}",
        at,
        f"cannot reach {at}",
    ]


def test_silent_address_is_lost_after_a_timeout(monkeypatch):
    monkeypatch.setattr(reachability, "_FIRST_HOLD_S", 0.05)

    async def scenario():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            async with follow(f"127.0.0.1:{listener.getsockname()[1]}") as (owner, errors):
                await errors.get()
                assert owner.is_lost

    run(scenario)


def test_replaced_connection_does_not_mark_the_owner_lost(port, monkeypatch):
    monkeypatch.setattr(reachability, "_HOLD_S", 60.0)
    ready = asyncio.Semaphore(0)
    real = Reachability._apply_state

    def record_state(self, state):
        real(self, state)
        if state is grpc.ChannelConnectivity.READY:
            ready.release()

    monkeypatch.setattr(Reachability, "_apply_state", record_state)

    async def scenario():
        # The server closes each connection after a moment.
        short = serve_port(port.address, ("grpc.max_connection_age_ms", 50))
        async with short, follow(port.address) as (owner, errors):
            for _ in range(3):
                await ready.acquire()
            assert errors.empty()
            assert not owner.is_lost

    run(scenario)


def test_address_of_another_member_is_lost(port, monkeypatch):
    """The IP of a deleted pod may be given to another one."""
    monkeypatch.setattr(reachability, "_CHECK_AGAIN_S", 0.05)

    async def serve(name):
        refusing = [MemberNameInterceptor(name)]
        server = RpcServer([], address=port.address, interceptors=refusing)
        await server.start()
        return server

    async def scenario():
        server = await serve("p-1")
        async with follow(port.address) as (owner, errors):
            await errors.get()
            with pytest.raises(OwnerLost):
                owner.check()
            await server.stop(grace_s=0)
            server = await serve("p-0")
            await until(lambda: not owner.is_lost)
        await server.stop(grace_s=0)

    run(scenario)


def test_hanging_member_is_lost_until_it_responds(port, monkeypatch):
    for name in ("_CHECK_EVERY_S", "_CHECK_TIMEOUT_S", "_CHECK_AGAIN_S"):
        monkeypatch.setattr(reachability, name, 0.1)
    responding = asyncio.Event()

    class HangingServicer(HealthServicer):
        async def Check(self, _request, _context):  # noqa: N802 - gRPC's name
            await responding.wait()
            return HealthCheckResponse()

    async def scenario():
        responding.set()
        server = grpc.aio.server()
        add_HealthServicer_to_server(HangingServicer(), server)
        server.add_insecure_port(port.address)
        await server.start()
        async with follow(port.address) as (owner, errors):
            responding.clear()
            await errors.get()
            assert owner.is_lost
            responding.set()
            await until(lambda: not owner.is_lost)
        await server.stop(None)

    run(scenario)


def test_owner_is_connected_again_after_its_connection_broke_during_a_health_check(port):
    checked, responding = asyncio.Event(), asyncio.Event()

    class HangingServicer(HealthServicer):
        async def Check(self, _request, _context):  # noqa: N802 - gRPC's name
            checked.set()
            await responding.wait()
            return HealthCheckResponse()

    async def serve():
        server = grpc.aio.server()
        add_HealthServicer_to_server(HangingServicer(), server)
        server.add_insecure_port(port.address)
        await server.start()
        return server

    async def scenario():
        server = await serve()
        async with follow(port.address) as (owner, errors):
            await checked.wait()
            await server.stop(None)
            await errors.get()
            responding.set()
            server = await serve()
            await until(lambda: not owner.is_lost)
        await server.stop(None)

    run(scenario)


def test_lost_owner_is_logged_periodically(port, monkeypatch, caplog):
    monkeypatch.setattr(reachability, "_LOG_AGAIN_S", 0.05)

    def lines():
        return [line for line in caplog.messages if line.startswith("cannot reach")]

    async def scenario():
        async with follow(port.address):
            await until(lambda: len(lines()) == 3)
        count = len(lines())
        await asyncio.sleep(0.1)
        assert len(lines()) == count

    run(scenario)
