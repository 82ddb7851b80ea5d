"""Tests of the transfer rate, and of slow clients whose clock the tests set."""

import asyncio
import contextlib
import logging
import os
from functools import partial

import pytest

from gateway_svc.net.transfer_rate import ConnectionRates, TransferRate
from tests.unit.gateway_svc.net.serving import framed, run, serving, until

#: Larger than the socket buffers of the system.
LARGE = 16 << 20


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(20):
        length = int.from_bytes(await reader.readexactly(4), "big")
        return await reader.readexactly(length)


def check_in(server, seconds: float) -> None:
    """Checks the timeouts of every connection as if `seconds` had passed."""
    now = asyncio.get_running_loop().time() + seconds
    for connection in server.accepted:
        connection.check_timeouts(now)


def check(rate, now, moved, *, window_s=10.0, bytes_per_second=100):
    return rate.is_slow(now, moved, window_s=window_s, bytes_per_second=bytes_per_second)


def test_is_slow_compares_the_bytes_of_a_window_with_the_minimum():
    for moved, is_slow in ((999, True), (1000, False)):
        rate = TransferRate()
        assert not check(rate, 0.0, 5000)
        assert not check(rate, 9.9, 5000)
        assert check(rate, 10.0, 5000 + moved) is is_slow


def test_is_slow_judges_each_window_by_itself():
    rate = TransferRate()
    checks = [check(rate, now, moved) for now, moved in ((0, 0), (10, 10_000), (19, 10_000))]
    assert not any(checks)
    assert check(rate, 20, 10_999)


def test_late_check_does_not_demand_more_bytes():
    rate = TransferRate()
    check(rate, 0, 0)
    assert not check(rate, 1000, 1000)


def test_new_window_begins_after_stop():
    rate = TransferRate()
    check(rate, 0, 0)
    assert rate.is_measured
    rate.stop()
    assert not rate.is_measured
    assert not check(rate, 50, 0)
    assert not check(rate, 59, 0)
    assert check(rate, 60, 0)


def test_window_may_become_shorter_between_checks():
    rate = TransferRate()
    check(rate, 0, 0)
    assert not check(rate, 5, 999)
    assert check(rate, 5, 199, window_s=2)


@pytest.mark.parametrize("now", [10, 1000])
def test_every_rate_is_fast_enough_without_a_minimum(now):
    rate = TransferRate()
    check(rate, 0, 0, bytes_per_second=0)
    assert not check(rate, now, 0, bytes_per_second=0)


@pytest.mark.parametrize("is_memory_short", [True, False])
def test_memory_shortage_raises_both_minimums_and_shortens_the_window_of_receiving(is_memory_short):
    rates = ConnectionRates(window_s=12.0, bytes_per_second_min=1)
    options = {"is_under_way": True, "is_memory_short": is_memory_short}
    for check_rate in (rates.is_receive_slow, rates.is_send_slow):
        assert not check_rate(0.0, 0, **options)
    assert rates.is_receive_slow(1.0, 63, **options) is is_memory_short
    assert not rates.is_send_slow(11.9, 0, **options)
    assert rates.is_send_slow(12.0, 12 * 63, **options) is is_memory_short


def test_nothing_to_transfer_ends_the_window_of_its_direction():
    rates = ConnectionRates(window_s=12.0, bytes_per_second_min=1)
    for now, is_under_way in ((0.0, True), (12.0, False), (13.0, True), (24.9, True)):
        options = {"is_under_way": is_under_way, "is_memory_short": False}
        assert not rates.is_receive_slow(now, 0, **options)
        assert not rates.is_send_slow(now, 0, **options)
    assert rates.is_receive_slow(25.0, 0, is_under_way=True, is_memory_short=False)
    assert rates.is_send_slow(25.0, 0, is_under_way=True, is_memory_short=False)


async def trickle(server, writer, *, rounds: int, round_s: float, byte_count: int) -> bool:
    """Returns True if the connection survives `rounds` of `byte_count` bytes."""
    connection = server.accepted[0]
    start = connection._received_bytes
    for number in range(1, rounds + 1):
        writer.write(b"x" * byte_count)
        await until(partial(has_received, connection, start + number * byte_count))
        # As if the bytes had arrived then; otherwise the timeout without transfers would close it.
        connection._transferred_at += number * round_s
        check_in(server, number * round_s)
        if connection._transport.is_closing():
            return False
    return True


def has_received(connection, byte_count: int) -> bool:
    return connection._received_bytes == byte_count


@pytest.mark.parametrize(("byte_count", "survives"), [(1, False), (9000, False), (11_000, True)])
def test_request_received_too_slowly_closes_its_connection(byte_count, survives, caplog):
    """30 seconds at 1024 bytes a second are 30720 bytes, in three rounds of 10 seconds."""

    async def scenario() -> None:
        async with serving(stalled_s=30.0) as server:
            _, writer = await server.connect()
            writer.write(framed(bytes(1 << 20))[: 1 << 19])
            await until(lambda: server.memory.used >= 1 << 19)
            is_open = await trickle(server, writer, rounds=9, round_s=10.0, byte_count=byte_count)
            assert is_open is survives
            writer.close()

    with caplog.at_level(logging.INFO, "gateway_svc"):
        run(scenario)
    assert ("is transferred too slowly" in caplog.text) is not survives


@pytest.mark.parametrize("is_memory_short", [True, False])
def test_incomplete_request_must_arrive_faster_while_others_wait_for_memory(is_memory_short):
    """3 seconds in place of 30, at 64 KiB a second in place of one."""

    async def scenario() -> None:
        async with serving(stalled_s=36.0, memory_bytes_max=1 << 20) as server:
            _, slow_writer = await server.connect()
            slow_writer.write(framed(bytes(4 << 20))[: 2 << 20])
            await until(lambda: server.memory.used >= 2 << 20)
            reader, writer = await server.connect()
            if is_memory_short:
                writer.write(framed(b"x" * (512 << 10)))
                await until(lambda: server.memory.has_waiters)
            is_open = await trickle(server, slow_writer, rounds=8, round_s=1.0, byte_count=20_000)
            assert is_open is not is_memory_short
            if is_memory_short:
                assert len(await read_frame(reader)) == 512 << 10
            slow_writer.close()
            writer.close()

    run(scenario)


def test_fast_request_survives_while_others_wait_for_memory():
    async def scenario() -> None:
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

    run(scenario)


@pytest.mark.parametrize(("read_bytes", "is_closed"), [(1, True), (8 << 20, False)])
def test_response_read_too_slowly_closes_its_connection(read_bytes, is_closed):
    async def scenario() -> None:
        async with serving(lambda frame: [framed(b"a" * (4 * LARGE))], stalled_s=30.0) as server:
            reader, writer = await server.connect()
            reader._transport.pause_reading()
            sock = reader._transport.get_extra_info("socket")
            writer.write(framed(b"request"))
            await until(lambda: server.memory.used > 1 << 20)
            check_in(server, 0)
            connection = server.accepted[0]
            before = connection._transport.get_write_buffer_size()
            received = 0
            while received < read_bytes:
                with contextlib.suppress(BlockingIOError):
                    received += len(os.read(sock.fileno(), min(read_bytes, 1 << 20)))
                await asyncio.sleep(0)
            if not is_closed:
                await until(lambda: connection._transport.get_write_buffer_size() < before)
            connection._count_unsent()
            connection._transferred_at += 31  # the connection has transferred bytes, but too few
            check_in(server, 31)
            assert connection._transport.is_closing() is is_closed
            writer.close()

    run(scenario)
