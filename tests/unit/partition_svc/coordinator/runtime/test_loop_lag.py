import asyncio
import socket
import time

import pytest
import uvloop

from partition_svc.coordinator.runtime.loop_lag import LoopLag
from partition_svc.coordinator.runtime.timers import DeadlineQueue
from tests.support.virtual_time import VirtualTimeLoop


class BusyLoop(VirtualTimeLoop):
    def be_busy(self, seconds):
        """Time passes within one callback."""
        self._virtual.now += seconds


def run(test):
    with asyncio.Runner(loop_factory=BusyLoop) as runner:

        async def story():
            lag = LoopLag()
            await test(lag, asyncio.get_running_loop())
            lag.close()

        runner.run(story())


def test_a_loop_that_is_on_time_puts_nothing_off():
    async def test(lag, loop):
        for _ in range(30):
            await asyncio.sleep(0.07)
            loop.be_busy(0.1)
            assert lag.grace_s() == 0

    run(test)


@pytest.mark.parametrize(("busy_s", "grace_s"), [(0.5, 0.4), (3.1, 3.0), (60, 5.0)])
def test_what_is_due_is_put_off_for_as_long_as_the_loop_was_late(busy_s, grace_s):
    async def test(lag, loop):
        await asyncio.sleep(0)
        loop.be_busy(busy_s)
        # Before the check has run, as a deadline that passed at the same time.
        assert lag.grace_s() == pytest.approx(grace_s)
        await asyncio.sleep(grace_s / 2)
        assert lag.grace_s() == pytest.approx(grace_s / 2, abs=0.01)
        await asyncio.sleep(grace_s / 2 + 0.01)
        assert lag.grace_s() == 0

    run(test)


def test_lateness_that_is_over_before_anything_is_due_counts_as_well():
    async def test(lag, loop):
        await asyncio.sleep(0)
        loop.be_busy(2.1)
        await asyncio.sleep(0.5)
        assert lag.grace_s() == pytest.approx(1.5, abs=0.01)

    run(test)


@pytest.mark.parametrize("is_watched", [True, False])
def test_what_waits_in_a_socket_is_heard_before_a_deadline_that_passed(is_watched):
    """As a heartbeat that comes through a gateway: what it takes is two turns of the loop."""

    async def story():
        loop, due, lag = asyncio.get_running_loop(), [], LoopLag()
        grace = {"grace_s": lag.grace_s} if is_watched else {}
        deadlines = DeadlineQueue(lambda: int(loop.time() * 1000), due.append, **grace)
        (ours, theirs), (end, middle) = socket.socketpair(), socket.socketpair()
        heard = asyncio.Event()

        def hear():
            end.recv(10)
            deadlines.schedule("a", None)
            heard.set()

        with ours, theirs, end, middle:
            loop.add_reader(ours, lambda: middle.send(ours.recv(10)))
            loop.add_reader(end, hear)
            deadlines.schedule("a", int(loop.time() * 1000) + 50)
            await asyncio.sleep(0)
            theirs.send(b"heartbeat")
            time.sleep(0.5)  # noqa: ASYNC251 - the busy process
            await heard.wait()
            await asyncio.sleep(0)
            loop.remove_reader(ours)
            loop.remove_reader(end)
        assert due == ([] if is_watched else ["a"])
        lag.close()
        deadlines.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())
