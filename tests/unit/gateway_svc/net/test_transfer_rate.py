"""The pace alone, and clients that send and take their bytes slowly, at times of the tests' own."""

import asyncio
import contextlib
import logging
import os
from functools import partial

import pytest

from gateway_svc.net.transfer_rate import TransferRate
from tests.unit.gateway_svc.net.serving import framed, run, serving, until

#: More than the system's socket buffers take.
LARGE = 16 << 20


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(20):
        length = int.from_bytes(await reader.readexactly(4), "big")
        return await reader.readexactly(length)


def sweep_in(server, seconds: float) -> None:
    """Looks at every session as if that much time had passed."""
    now = asyncio.get_running_loop().time() + seconds
    for session in server.sessions:
        session.sweep(now)


def look(pace, now, moved, *, window_s=10.0, bytes_per_second=100):
    return pace.is_slow(now, moved, window_s=window_s, bytes_per_second=bytes_per_second)


def test_too_little_in_a_window_is_slow_and_enough_is_not():
    for moved, is_slow in ((999, True), (1000, False)):
        pace = TransferRate()
        assert not look(pace, 0.0, 5000)
        assert not look(pace, 9.9, 5000)
        assert look(pace, 10.0, 5000 + moved) is is_slow


def test_each_window_is_judged_by_itself():
    pace = TransferRate()
    looks = [look(pace, now, moved) for now, moved in ((0, 0), (10, 10_000), (19, 10_000))]
    assert not any(looks)
    assert look(pace, 20, 10_999)


def test_a_window_that_is_looked_at_late_asks_for_no_more():
    pace = TransferRate()
    look(pace, 0, 0)
    assert not look(pace, 1000, 1000)


def test_after_a_rest_a_new_window_begins():
    pace = TransferRate()
    look(pace, 0, 0)
    assert pace.is_watched
    pace.rest()
    assert not pace.is_watched
    assert not look(pace, 50, 0)
    assert not look(pace, 59, 0)
    assert look(pace, 60, 0)


def test_a_window_may_become_shorter_within():
    pace = TransferRate()
    look(pace, 0, 0)
    assert not look(pace, 5, 999)
    assert look(pace, 5, 199, window_s=2)


@pytest.mark.parametrize("now", [10, 1000])
def test_any_pace_is_right_where_none_is_asked_for(now):
    pace = TransferRate()
    look(pace, 0, 0, bytes_per_second=0)
    assert not look(pace, now, 0, bytes_per_second=0)


async def trickle(server, writer, *, rounds: int, round_s: float, byte_count: int) -> bool:
    """True where the session outlives so many rounds of so many bytes; looked at after each."""
    session = server.sessions[0]
    start = session._received
    for number in range(1, rounds + 1):
        writer.write(b"x" * byte_count)
        await until(partial(has_received, session, start + number * byte_count))
        # As if it had arrived then: that a byte moved is not enough.
        session._moved_at += number * round_s
        sweep_in(server, number * round_s)
        if session._transport.is_closing():
            return False
    return True


def has_received(session, byte_count: int) -> bool:
    return session._received == byte_count


@pytest.mark.parametrize(("byte_count", "outlives"), [(1, False), (9000, False), (11_000, True)])
def test_a_request_that_arrives_too_slowly_ends_its_connection(byte_count, outlives, caplog):
    """30 seconds at 1024 bytes a second are 30720 bytes, in three rounds of 10 seconds."""

    async def story() -> None:
        async with serving(stalled_s=30.0) as server:
            _, writer = await server.connect()
            writer.write(framed(bytes(1 << 20))[: 1 << 19])
            await until(lambda: server.memory.used >= 1 << 19)
            is_open = await trickle(server, writer, rounds=9, round_s=10.0, byte_count=byte_count)
            assert is_open is outlives
            writer.close()

    with caplog.at_level(logging.INFO, "gateway_svc"):
        run(story)
    assert ("moves too slowly" in caplog.text) is not outlives


@pytest.mark.parametrize("is_needed", [True, False])
def test_while_others_wait_for_memory_half_a_request_has_to_hurry(is_needed):
    """3 seconds in place of 30, at 64 KiB a second in place of one."""

    async def story() -> None:
        async with serving(stalled_s=36.0, memory_bytes_max=1 << 20) as server:
            _, hostage = await server.connect()
            hostage.write(framed(bytes(4 << 20))[: 2 << 20])
            await until(lambda: server.memory.used >= 2 << 20)
            reader, writer = await server.connect()
            if is_needed:
                writer.write(framed(b"x" * (512 << 10)))
                await until(lambda: server.memory.has_waiters)
            is_open = await trickle(server, hostage, rounds=8, round_s=1.0, byte_count=20_000)
            assert is_open is not is_needed
            if is_needed:
                assert len(await read_frame(reader)) == 512 << 10
            hostage.close()
            writer.close()

    run(story)


def test_a_fast_request_that_others_wait_for_is_let_be():
    async def story() -> None:
        async with serving(stalled_s=36.0, memory_bytes_max=1 << 20) as server:
            reader, writer = await server.connect()
            writer.write(framed(bytes(4 << 20))[: 2 << 20])
            await until(lambda: server.memory.used >= 2 << 20)
            other_reader, other = await server.connect()
            other.write(framed(b"x" * (512 << 10)))
            await until(lambda: server.memory.has_waiters)
            assert await trickle(server, writer, rounds=8, round_s=1.0, byte_count=70_000)
            writer.write(bytes((2 << 20) + 4 - 8 * 70_000))
            assert len(await read_frame(reader)) == 4 << 20
            assert len(await read_frame(other_reader)) == 512 << 10
            writer.close()
            other.close()

    run(story)


@pytest.mark.parametrize(("read_bytes", "is_closed"), [(1, True), (8 << 20, False)])
def test_an_answer_that_is_taken_too_slowly_ends_its_connection(read_bytes, is_closed):
    async def story() -> None:
        async with serving(lambda frame: [framed(b"a" * (4 * LARGE))], stalled_s=30.0) as server:
            reader, writer = await server.connect()
            reader._transport.pause_reading()
            connection = reader._transport.get_extra_info("socket")
            writer.write(framed(b"give"))
            await until(lambda: server.memory.used > 1 << 20)
            sweep_in(server, 0)
            session = server.sessions[0]
            before = session._transport.get_write_buffer_size()
            received = 0
            while received < read_bytes:
                with contextlib.suppress(BlockingIOError):
                    received += len(os.read(connection.fileno(), min(read_bytes, 1 << 20)))
                await asyncio.sleep(0)
            if not is_closed:
                await until(lambda: session._transport.get_write_buffer_size() < before)
            session._note_unsent()
            session._moved_at += 31  # that a byte moved is not enough
            sweep_in(server, 31)
            assert session._transport.is_closing() is is_closed
            writer.close()

    run(story)
