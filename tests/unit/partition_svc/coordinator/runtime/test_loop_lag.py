import asyncio
import socket
import time

import pytest
import uvloop

from partition_svc.coordinator.runtime.loop_lag import LoopLag
from partition_svc.coordinator.runtime.timers import DeadlineQueue
from tests.support.virtual_time import VirtualTimeLoop


class BusyLoop(VirtualTimeLoop):
    def block(self, seconds):
        """Advances the time within one callback."""
        self._virtual.now += seconds


def run(test):
    with asyncio.Runner(loop_factory=BusyLoop) as runner:

        async def scenario():
            lag = LoopLag()
            await test(lag, asyncio.get_running_loop())
            lag.close()

        runner.run(scenario())


def test_loop_that_is_on_time_has_no_grace():
    async def test(lag, loop):
        for _ in range(30):
            await asyncio.sleep(0.07)
            loop.block(0.1)
            assert lag.grace_s() == 0

    run(test)


@pytest.mark.parametrize(("busy_s", "grace_s"), [(0.5, 0.4), (3.1, 3.0), (60, 5.0)])
def test_grace_is_as_long_as_the_delay_of_the_loop(busy_s, grace_s):
    async def test(lag, loop):
        await asyncio.sleep(0)
        loop.block(busy_s)
        # The check has not run yet, as for a deadline that passed at the same time.
        assert lag.grace_s() == pytest.approx(grace_s)
        await asyncio.sleep(grace_s / 2)
        assert lag.grace_s() == pytest.approx(grace_s / 2, abs=0.01)
        await asyncio.sleep(grace_s / 2 + 0.01)
        assert lag.grace_s() == 0

    run(test)


def test_grace_continues_after_the_delay_has_ended():
    async def test(lag, loop):
        await asyncio.sleep(0)
        loop.block(2.1)
        await asyncio.sleep(0.5)
        assert lag.grace_s() == pytest.approx(1.5, abs=0.01)

    run(test)


@pytest.mark.parametrize("has_grace", [True, False])
def test_heartbeat_in_a_socket_is_read_before_a_passed_deadline(has_grace):
    """A heartbeat that passes through a gateway takes two iterations of the loop."""

    async def scenario():
        loop, due, lag = asyncio.get_running_loop(), [], LoopLag()
        grace = {"grace_s": lag.grace_s} if has_grace else {}
        deadlines = DeadlineQueue(lambda: int(loop.time() * 1000), due.append, **grace)
        (gateway_in, client), (coordinator, gateway_out) = socket.socketpair(), socket.socketpair()
        received = asyncio.Event()

        def receive():
            coordinator.recv(10)
            deadlines.schedule("a", None)
            received.set()

        with gateway_in, client, coordinator, gateway_out:
            loop.add_reader(gateway_in, lambda: gateway_out.send(gateway_in.recv(10)))
            loop.add_reader(coordinator, receive)
            deadlines.schedule("a", int(loop.time() * 1000) + 50)
            await asyncio.sleep(0)
            client.send(b"heartbeat")
            time.sleep(0.5)  # noqa: ASYNC251 - blocks the loop
            await received.wait()
            await asyncio.sleep(0)
            loop.remove_reader(gateway_in)
            loop.remove_reader(coordinator)
        assert due == ([] if has_grace else ["a"])
        lag.close()
        deadlines.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
