import asyncio
import logging

from gateway_svc.net import connections as roster_module
from tests.unit.gateway_svc.net.serving import Held, echo, framed, run, serving, until


async def closed(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(20):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True


def test_connections_over_the_limit_are_refused_with_one_log_line(caplog):
    async def story() -> None:
        async with serving(connections_max=2) as server:
            kept = [await server.connect() for _ in range(2)]
            await until(lambda: len(server.roster) == 2)
            for _ in range(5):
                reader, writer = await server.connect()
                assert await closed(reader)
                writer.close()
            kept[0][1].write(framed(b"still served"))
            assert await kept[0][0].readexactly(16) == framed(b"still served")
            for _, writer in kept:
                writer.close()

    with caplog.at_level(logging.WARNING, "gateway_svc"):
        run(story)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert lines[0].startswith(
        "refusing connections: 2 are open (max.connections); 1 refused, last 127.0.0.1:"
    )


def test_connections_from_one_address_have_a_limit_of_their_own(caplog):
    async def story() -> None:
        async with serving(connections_per_ip_max=1) as server:
            _, writer = await server.connect()
            await until(lambda: len(server.roster) == 1)
            refused, refused_writer = await server.connect()
            assert await closed(refused)
            refused_writer.close()
            writer.close()

    with caplog.at_level(logging.WARNING, "gateway_svc"):
        run(story)
    assert "max.connections.per.ip" in caplog.text


def test_a_place_is_free_again_when_a_connection_ends():
    async def story() -> None:
        async with serving(connections_max=1, connections_per_ip_max=1) as server:
            for _ in range(3):
                reader, writer = await server.connect()
                writer.write(framed(b"hi"))
                assert await reader.readexactly(6) == framed(b"hi")
                writer.close()
                await until(lambda: len(server.roster) == 0)

    run(story)


def test_a_drain_waits_for_answers_and_closes_idle_connections_at_once():
    async def story() -> None:
        held: list[Held] = []

        def answer(frame):
            held.append(Held(frame))
            return held[-1]

        async with serving(answer) as server:
            idle, idle_writer = await server.connect()
            busy, busy_writer = await server.connect()
            busy_writer.write(framed(b"ask"))
            await until(lambda: len(held) == 1 and len(server.roster) == 2)
            server.listener.close()
            draining = asyncio.ensure_future(server.roster.drain(grace_s=20))
            assert await closed(idle)
            assert not draining.done()
            held[0].future.set_result(None)
            assert await busy.read() == framed(b"ask")
            await draining
            idle_writer.close()
            busy_writer.close()

    run(story)


def test_a_drain_cuts_off_what_does_not_end_in_time(caplog):
    async def story() -> None:
        async with serving(Held) as server:
            reader, writer = await server.connect()
            writer.write(framed(b"for ever"))
            await until(lambda: server.memory.used > 0)
            await server.roster.drain(grace_s=0)
            assert await closed(reader)
            writer.close()

    run(story)
    assert "cutting off 1 connections" in caplog.text


def test_the_watch_on_time_looks_at_every_session_again_and_again(monkeypatch):
    monkeypatch.setattr(roster_module, "SWEEP_S", 0.001)

    async def story() -> None:
        async with serving(echo) as server:
            _, writer = await server.connect()
            await until(lambda: len(server.roster) == 1)
            looked: list[float] = []
            server.sessions[0].sweep = looked.append
            server.roster.start()
            await until(lambda: len(looked) >= 3)
            server.roster.stop()
            writer.close()

    run(story)


def test_a_bug_in_one_session_stops_no_other_from_being_looked_after(caplog, monkeypatch):
    async def story() -> None:
        monkeypatch.setattr(roster_module, "SWEEP_S", 0.001)
        swept: list[str] = []

        class Looked:
            def __init__(self, name: str) -> None:
                self.peer = name

            def sweep(self, _: float) -> None:
                swept.append(self.peer)
                if self.peer == "bad":
                    raise ZeroDivisionError

        roster = roster_module.ClientConnections(connections_max=10, connections_per_ip_max=10)
        roster._sessions = dict.fromkeys([Looked("bad"), Looked("good")])  # type: ignore[arg-type]
        roster.start()
        await until(lambda: swept.count("good") > 1)
        roster._sessions = {}
        assert roster._sweep_timer is not None
        roster._sweep_timer.cancel()

    run(story)
    assert "cannot check the idle time of bad" in caplog.text


def test_a_process_that_was_busy_first_receives_and_then_looks(monkeypatch):
    """Sessions are not looked at right after a late start, and never left out twice in a row."""
    monkeypatch.setattr(roster_module, "SWEEP_S", 0.01)

    async def story() -> None:
        roster = roster_module.ClientConnections(connections_max=10, connections_per_ip_max=10)
        swept: list[bool] = []

        class Looked:
            peer = "somebody"

            def sweep(self, _: float) -> None:
                swept.append(True)

        roster._sessions = {Looked(): None}  # type: ignore[dict-item]
        roster.start()
        roster._sweep_at -= 1  # as if the loop had been busy for a second
        roster._sweep()
        assert swept == []
        roster._sweep_at -= 1
        roster._sweep()
        assert swept == [True]
        roster._sweep_at -= 1
        roster._sweep()
        assert swept == [True]
        roster._sessions = {}
        roster.stop()

    run(story)
