"""A server with real connections, whose frames are handled by a function of the test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import uvloop

from gateway_svc.dispatch.reply import PendingResponse
from gateway_svc.net.connection import ClientConnection, ConnectionLimits, SharedState
from gateway_svc.net.connections import ClientConnections
from gateway_svc.net.framing import new_scratch
from gateway_svc.net.listener import Listener
from gateway_svc.net.memory_limit import RequestMemory
from gateway_svc.net.pipeline import SMALL_BUDGET, FrameHandler

LIMITS = ConnectionLimits(
    frame_bytes_max=64 << 20,
    request_bytes_max=4 << 20,
    idle_s=600.0,
    stalled_s=60.0,
    bytes_per_second_min=1024,
)


def framed(*bodies: bytes) -> bytes:
    return b"".join(len(body).to_bytes(4, "big") + body for body in bodies)


def echo(frame: bytes | memoryview) -> list[bytes]:
    return [framed(bytes(frame))]


class PendingEcho(PendingResponse):
    """A response that echoes its frame when the test resolves `future`."""

    def __init__(self, frame: bytes | memoryview) -> None:
        self.future = asyncio.get_running_loop().create_future()
        self.timeout_ms = 60_000
        self.frame = bytes(frame)

    def finish(self) -> list[bytes]:
        self.future.result()
        return echo(self.frame)

    def expire(self) -> list[bytes]:
        return [framed(b"expired")]


@dataclass
class NetServer:
    """A listening server; `connect` opens a connection to it."""

    connections: ClientConnections
    memory: RequestMemory
    listener: Listener
    accepted: list[ClientConnection] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.listener.port)


@asynccontextmanager
async def serving(
    handle_frame: FrameHandler = echo,
    *,
    memory_bytes_max: int = 64 << 20,
    connections_max: int = 1000,
    connections_per_ip_max: int = 1000,
    **limits: float,
) -> AsyncIterator[NetServer]:
    connections = ClientConnections(
        connections_max=connections_max, connections_per_ip_max=connections_per_ip_max
    )
    memory = RequestMemory(memory_bytes_max)
    server = NetServer(connections, memory, Listener("TEST", "127.0.0.1", 0))
    shared = SharedState(
        limits=replace(LIMITS, **limits),
        memory=memory,
        scratch=new_scratch(),
        connect=lambda peer: handle_frame,
        admit=connections.admit,
        remove=connections.remove,
        loop_budget=SMALL_BUDGET,
    )

    def make_connection() -> ClientConnection:
        server.accepted.append(ClientConnection(shared, listener="TEST"))
        return server.accepted[-1]

    await server.listener.bind()
    await server.listener.start(make_connection)
    try:
        yield server
    finally:
        server.listener.close()
        for connection in server.accepted:
            connection.abort()
        await connections.drain(grace_s=5)
        assert memory.used == 0


async def until(condition: Callable[[], bool]) -> None:
    """Waits until `condition()` is true; fails after 20 s."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.001)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Runs a test's coroutine on the event loop that the gateway uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
