import asyncio
import logging

from gateway_svc.net import connections as connections_module
from tests.unit.gateway_svc.net.serving import PendingEcho, echo, framed, run, serving, until


async def is_closed(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(20):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True


def test_connections_over_the_limit_are_refused_with_one_log_line(caplog):
    async def scenario() -> None:
        async with serving(connections_max=2) as server:
            kept = [await server.connect() for _ in range(2)]
            await until(lambda: len(server.connections) == 2)
            for _ in range(5):
                reader, writer = await server.connect()
                assert await is_closed(reader)
                writer.close()
            kept[0][1].write(framed(b"still served"))
            assert await kept[0][0].readexactly(16) == framed(b"still served")
            for _, writer in kept:
                writer.close()

    with caplog.at_level(logging.WARNING, "gateway_svc"):
        run(scenario)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert lines[0].startswith(
        "refusing connections: 2 are open (max.connections); 1 refused, last 127.0.0.1:"
    )


def test_connections_from_one_address_have_their_own_limit(caplog):
    async def scenario() -> None:
        async with serving(connections_per_ip_max=1) as server:
            _, writer = await server.connect()
            await until(lambda: len(server.connections) == 1)
            refused, refused_writer = await server.connect()
            assert await is_closed(refused)
            refused_writer.close()
            writer.close()

    with caplog.at_level(logging.WARNING, "gateway_svc"):
        run(scenario)
    assert "max.connections.per.ip" in caplog.text


def test_closed_connection_does_not_count_against_the_limits():
    async def scenario() -> None:
        async with serving(connections_max=1, connections_per_ip_max=1) as server:
            for _ in range(3):
                reader, writer = await server.connect()
                writer.write(framed(b"hi"))
                assert await reader.readexactly(6) == framed(b"hi")
                writer.close()
                await until(lambda: len(server.connections) == 0)

    run(scenario)


def test_drain_waits_for_responses_and_closes_idle_connections_at_once():
    async def scenario() -> None:
        pending: list[PendingEcho] = []

        def respond_later(frame):
            pending.append(PendingEcho(frame))
            return pending[-1]

        async with serving(respond_later) as server:
            idle, idle_writer = await server.connect()
            busy, busy_writer = await server.connect()
            busy_writer.write(framed(b"request"))
            await until(lambda: len(pending) == 1 and len(server.connections) == 2)
            server.listener.close()
            draining = asyncio.ensure_future(server.connections.drain(grace_s=20))
            assert await is_closed(idle)
            assert not draining.done()
            pending[0].future.set_result(None)
            assert await busy.read() == framed(b"request")
            await draining
            idle_writer.close()
            busy_writer.close()

    run(scenario)


def test_drain_aborts_connections_that_do_not_finish_in_time(caplog):
    async def scenario() -> None:
        async with serving(PendingEcho) as server:
            reader, writer = await server.connect()
            writer.write(framed(b"never done"))
            await until(lambda: server.memory.used > 0)
            await server.connections.drain(grace_s=0)
            assert await is_closed(reader)
            writer.close()

    run(scenario)
    assert "aborting 1 connections that did not drain in time" in caplog.text


def test_timeouts_of_every_connection_are_checked_repeatedly(monkeypatch):
    monkeypatch.setattr(connections_module, "CHECK_INTERVAL_S", 0.001)

    async def scenario() -> None:
        async with serving(echo) as server:
            _, writer = await server.connect()
            await until(lambda: len(server.connections) == 1)
            checked: list[float] = []
            server.accepted[0].check_timeouts = checked.append
            server.connections.start()
            await until(lambda: len(checked) >= 3)
            server.connections.stop()
            writer.close()

    run(scenario)


def test_failing_check_of_one_connection_does_not_stop_the_checks_of_others(caplog, monkeypatch):
    async def scenario() -> None:
        monkeypatch.setattr(connections_module, "CHECK_INTERVAL_S", 0.001)
        checked: list[str] = []

        class FakeConnection:
            def __init__(self, name: str) -> None:
                self.peer = name

            def check_timeouts(self, _: float) -> None:
                checked.append(self.peer)
                if self.peer == "bad":
                    raise ZeroDivisionError

        connections = connections_module.ClientConnections(
            connections_max=10, connections_per_ip_max=10
        )
        connections._connections = dict.fromkeys([FakeConnection("bad"), FakeConnection("good")])  # type: ignore[arg-type]
        connections.start()
        await until(lambda: checked.count("good") > 1)
        connections._connections = {}
        assert connections._check_timer is not None
        connections._check_timer.cancel()

    run(scenario)
    assert "failed to check the timeouts of bad" in caplog.text


def test_late_check_is_skipped_once_to_receive_pending_bytes_first(monkeypatch):
    """One late check is skipped, but never two in a row."""
    monkeypatch.setattr(connections_module, "CHECK_INTERVAL_S", 0.01)

    async def scenario() -> None:
        connections = connections_module.ClientConnections(
            connections_max=10, connections_per_ip_max=10
        )
        checked: list[bool] = []

        class FakeConnection:
            peer = "a client"

            def check_timeouts(self, _: float) -> None:
                checked.append(True)

        connections._connections = {FakeConnection(): None}  # type: ignore[dict-item]
        connections.start()
        connections._next_check_at -= 1  # as if the loop had been busy for a second
        connections._check_timeouts()
        assert checked == []
        connections._next_check_at -= 1
        connections._check_timeouts()
        assert checked == [True]
        connections._next_check_at -= 1
        connections._check_timeouts()
        assert checked == [True]
        connections._connections = {}
        connections.stop()

    run(scenario)
