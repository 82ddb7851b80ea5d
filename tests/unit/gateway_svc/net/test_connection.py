import asyncio
import logging

import pytest

from gateway_svc.dispatch.reply import Deferred, Disconnect, Parts, TaskResponse
from gateway_svc.net.connection import ALLOWANCE_BYTES, IN_FLIGHT_MAX
from gateway_svc.wire.violations import ProtocolViolation
from tests.unit.gateway_svc.net.serving import PendingEcho, echo, framed, run, serving, until


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(20):
        length = int.from_bytes(await reader.readexactly(4), "big")
        return await reader.readexactly(length)


async def read_end(reader: asyncio.StreamReader) -> bytes:
    """Reads until the server closes; a reset counts as a close."""
    async with asyncio.timeout(20):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


def test_requests_in_one_packet_get_responses_in_order():
    async def scenario() -> None:
        async with serving() as server:
            reader, writer = await server.connect()
            bodies = [b"%d" % number for number in range(50)]
            writer.write(framed(*bodies))
            assert [await read_frame(reader) for _ in bodies] == bodies
            writer.close()

    run(scenario)


def test_request_of_many_megabytes_is_received():
    async def scenario() -> None:
        async with serving() as server:
            reader, writer = await server.connect()
            body = bytes(range(256)) * (20 << 12)
            writer.write(framed(body))
            assert await read_frame(reader) == body
            writer.close()

    run(scenario)


def test_request_received_byte_by_byte_gets_a_response():
    async def scenario() -> None:
        async with serving() as server:
            reader, writer = await server.connect()
            for byte in framed(b"slowly"):
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0)
            assert await read_frame(reader) == b"slowly"
            writer.close()

    run(scenario)


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", framed(b"violation"), framed(b"disconnect")]
)
def test_violation_is_logged_in_one_line_and_closes_only_its_connection(data, caplog):
    def handle_frame(frame):
        if frame == b"violation":
            raise ProtocolViolation("no such thing")
        if frame == b"disconnect":
            raise Disconnect("acks=0 and refused")
        return echo(frame)

    async def scenario() -> None:
        async with serving(handle_frame) as server:
            bystander, bystander_writer = await server.connect()
            reader, writer = await server.connect()
            writer.write(data)
            assert await read_end(reader) == b""
            writer.close()
            bystander_writer.write(framed(b"still here"))
            assert await read_frame(bystander) == b"still here"
            bystander_writer.close()

    with caplog.at_level(logging.INFO, "gateway_svc"):
        run(scenario)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["closing 127.0.0.1"]


def test_responses_before_a_violation_are_received():
    async def scenario() -> None:
        async with serving() as server:
            reader, writer = await server.connect()
            writer.write(framed(b"fine"))
            assert await read_frame(reader) == b"fine"
            writer.write(framed(b"fine too") + b"\xff\xff\xff\xff")
            assert await read_end(reader) in (b"", framed(b"fine too"))
            writer.close()

    run(scenario)


class Poll(Deferred):
    """An exclusive request that runs until it is cancelled."""

    def __init__(self) -> None:
        super().__init__(lambda: TaskResponse(self.run()))
        self.is_cancelled = False
        self.is_running = False

    async def run(self) -> Parts | None:
        self.is_running = True
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise
        return None


def test_long_poll_is_cancelled_when_its_client_disconnects():
    async def scenario() -> None:
        poll = Poll()
        async with serving(lambda frame: poll) as server:
            _, writer = await server.connect()
            writer.write(framed(b"poll"))
            await until(lambda: poll.is_running)
            writer.close()
            await until(lambda: poll.is_cancelled)

    run(scenario)


def test_receiving_stops_while_a_connection_holds_too_much():
    async def scenario() -> None:
        pending: list[PendingEcho] = []

        def handle_frame(frame):
            pending.append(PendingEcho(frame))
            return pending[-1]

        async with serving(handle_frame, request_bytes_max=1 << 20) as server:
            reader, writer = await server.connect()
            request = framed(b"x" * (256 << 10))
            writer.write(request * 200)  # 50 MiB
            await until(lambda: server.memory.used >= 1 << 20)
            for _ in range(50):
                await asyncio.sleep(0.001)
            assert server.memory.used < (1 << 20) + 2 * len(request)
            assert len(pending) < 8
            received = 0
            while received < 200:
                while pending:
                    pending.pop(0).future.set_result(None)
                await read_frame(reader)
                received += 1
            writer.close()

    run(scenario)


def test_receiving_stops_while_a_connection_has_too_many_requests():
    async def scenario() -> None:
        pending: list[PendingEcho] = []

        def handle_frame(frame):
            pending.append(PendingEcho(frame))
            return pending[-1]

        async with serving(handle_frame) as server:
            reader, writer = await server.connect()
            # More than one receive buffer, so that the second read can be paused.
            writer.write(framed(b"x" * 250) * 5000)
            await until(lambda: len(pending) >= IN_FLIGHT_MAX)
            for _ in range(50):
                await asyncio.sleep(0.001)
            assert len(pending) < 2 * IN_FLIGHT_MAX
            for _ in range(5000):
                while pending:
                    pending.pop(0).future.set_result(None)
                await read_frame(reader)
            writer.close()

    run(scenario)


def test_request_may_be_larger_than_the_limit_of_a_connection():
    async def scenario() -> None:
        async with serving(request_bytes_max=1 << 16) as server:
            reader, writer = await server.connect()
            body = b"x" * (8 << 20)
            writer.write(framed(body) * 2)
            assert await read_frame(reader) == body
            assert await read_frame(reader) == body
            writer.close()

    run(scenario)


def test_incomplete_requests_that_fill_the_memory_do_not_block_connections_permanently():
    async def scenario() -> None:
        async with serving(memory_bytes_max=1 << 20) as server:
            body = b"x" * (1 << 20)
            clients = [await server.connect() for _ in range(4)]
            for _, writer in clients:
                writer.write(framed(body)[: 800 << 10])
            await until(lambda: server.memory.used >= 1 << 20)
            small, small_writer = await server.connect()
            small_writer.write(framed(b"small"))
            assert await read_frame(small) == b"small"
            small_writer.close()
            for _, writer in clients:
                writer.write(framed(body)[800 << 10 :])
            for reader, writer in clients:
                assert await read_frame(reader) == body
                writer.close()

    run(scenario)


def test_requests_far_beyond_the_memory_all_get_responses():
    """Even if clients that were served first stay connected and send nothing more."""

    async def scenario() -> None:
        async with serving(memory_bytes_max=1 << 20) as server:
            request = framed(b"x" * (600 << 10))
            clients = [await server.connect() for _ in range(12)]

            async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                for _ in range(3):
                    writer.write(request)
                for _ in range(3):
                    assert len(await read_frame(reader)) == 600 << 10

            await asyncio.gather(*(send(*client) for client in clients))
            assert server.memory.used < 12 * ALLOWANCE_BYTES
            for _, writer in clients:
                writer.close()

    run(scenario)


class IdleWaiter:
    def memory_freed(self) -> None:
        pass


def test_connection_that_waits_for_memory_is_resumed_by_the_check_of_timeouts():
    async def scenario() -> None:
        async with serving(memory_bytes_max=1 << 20) as server:
            reader, writer = await server.connect()
            server.memory.acquire(1 << 20)
            assert server.memory.may_grow(IdleWaiter())  # and holds the overcommit afterwards
            writer.write(framed(b"x" * (600 << 10)))
            await until(lambda: server.memory.used > (1 << 20) + ALLOWANCE_BYTES)
            server.memory.used -= 1 << 20  # as `release`, without notifying the waiters
            check_in(server, 0)
            assert len(await read_frame(reader)) == 600 << 10
            writer.close()

    run(scenario)


#: Larger than the socket buffers of the system.
LARGE = 16 << 20


def test_requests_do_not_start_while_the_client_does_not_read():
    async def scenario() -> None:
        started = 0

        def handle_frame(frame):
            nonlocal started
            started += 1
            return [framed(b"a" * LARGE)]

        async with serving(handle_frame) as server:
            reader, writer = await server.connect()
            reader._transport.pause_reading()
            writer.write(framed(b"more"))
            await until(lambda: server.memory.used > 1 << 20)
            writer.write(framed(*[b"more"] * 9))
            await until(lambda: server.accepted[0]._pipeline.in_flight == 9)
            assert started == 1
            reader._transport.resume_reading()
            for _ in range(10):
                assert len(await read_frame(reader)) == LARGE
            assert started == 10
            writer.close()

    run(scenario)


def check_in(server, seconds: float) -> None:
    """Checks the timeouts of every connection as if `seconds` had passed."""
    now = asyncio.get_running_loop().time() + seconds
    for connection in server.accepted:
        connection.check_timeouts(now)


def test_idle_connection_is_closed_and_one_that_waits_for_a_response_is_not():
    async def scenario() -> None:
        poll = Poll()
        async with serving(lambda frame: poll, idle_s=100.0) as server:
            idle, idle_writer = await server.connect()
            waiting, waiting_writer = await server.connect()
            waiting_writer.write(framed(b"poll"))
            await until(lambda: poll.is_running and len(server.accepted) == 2)
            check_in(server, 99)
            check_in(server, 101)
            assert await read_end(idle) == b""
            assert not waiting.at_eof()
            assert len(server.connections) == 1
            idle_writer.close()
            waiting_writer.close()

    run(scenario)


def test_connection_stalled_within_a_request_is_closed(caplog):
    async def scenario() -> None:
        async with serving(stalled_s=30.0) as server:
            reader, writer = await server.connect()
            writer.write(framed(b"incomplete")[:-1])
            await until(lambda: server.memory.used > 0)
            check_in(server, 29)
            assert len(server.connections) == 1
            check_in(server, 31)
            assert await read_end(reader) == b""
            writer.close()

    with caplog.at_level(logging.INFO, "gateway_svc"):
        run(scenario)
    assert "no byte transferred for 31 s" in caplog.text


def test_client_that_does_not_read_its_responses_is_disconnected():
    async def scenario() -> None:
        async with serving(lambda frame: [framed(b"a" * LARGE)], stalled_s=30.0) as server:
            reader, writer = await server.connect()
            reader._transport.pause_reading()
            writer.write(framed(b"request"))
            await until(lambda: server.memory.used > 1 << 20)
            check_in(server, 0)
            check_in(server, 31)
            await until(lambda: len(server.connections) == 0)
            writer.close()

    run(scenario)


def test_overdue_request_expires_at_the_check_of_timeouts():
    async def scenario() -> None:
        pending: list[PendingEcho] = []

        def handle_frame(frame):
            pending.append(PendingEcho(frame))
            return pending[-1]

        async with serving(handle_frame) as server:
            reader, writer = await server.connect()
            writer.write(framed(b"late"))
            await until(lambda: bool(pending))
            check_in(server, 61)
            assert await read_frame(reader) == b"expired"
            writer.close()

    run(scenario)


def test_draining_connection_responds_to_received_requests_and_closes():
    async def scenario() -> None:
        pending: list[PendingEcho] = []

        def handle_frame(frame):
            pending.append(PendingEcho(frame))
            return pending[-1]

        async with serving(handle_frame) as server:
            reader, writer = await server.connect()
            writer.write(framed(b"one", b"two"))
            await until(lambda: len(pending) == 2)
            server.accepted[0].drain()
            writer.write(framed(b"too late"))
            for response in pending:
                response.future.set_result(None)
            assert await read_end(reader) == framed(b"one", b"two")
            writer.close()

    run(scenario)
