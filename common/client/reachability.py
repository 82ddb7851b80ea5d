"""Reachability of an owner: whether the gateway has a connection, or may soon have one.

gRPC connects again by itself, with growing pauses. A request that waited for this would delay all
later responses on its client's connection. So while an owner is lost its requests are refused at
once. They wait only while a connection is fresh: at the first attempt, and for a moment after a
connection broke, because a service that is there is connected again within milliseconds.

A process that hangs keeps its connections, and gRPC notices nothing. So the owner is asked for its
health from time to time, and is lost while it does not answer.
"""

import asyncio
import logging
from asyncio import TimerHandle
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import grpc
import grpc.aio
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from common.ports.unavailable import BackendUnavailable, OwnerLost
from common.rpc.member_channel import Channel, is_other_member

log = logging.getLogger(__name__)

#: How long requests wait for the first connection, and for one that replaces a broken one. Where
#: nobody listens gRPC finds out within milliseconds, where nobody answers within about a second.
_FIRST_HOLD_S: Final = 3.0
_HOLD_S: Final = 0.3

#: How often a member is asked for its health, and how long it may take to answer: together about
#: as long as its lease (broker.session.timeout.ms). A busy one answers within a second or two.
_ASK_EVERY_S: Final = 3.0
_ASK_TIMEOUT_S: Final = 5.0
#: When one that hangs, or another one at its address, is asked again.
_ASK_AGAIN_S: Final = 0.5

_READY: Final = grpc.ChannelConnectivity.READY

#: How often the log says again that an owner is lost.
_REMIND_S: Final = 60.0


class Reachability:
    """Follows the state of a channel, and makes it connect, until `close`."""

    def __init__(self, name: str, address: str, channel: Channel) -> None:
        """`name` is the owner's, `address` where the channel leads, both for the log."""
        self.is_lost = False
        self._name = name
        self._address = address
        self._reason = f"{name} at {address} cannot be reached"
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._on_lost: list[Callable[[BackendUnavailable], None]] = []
        self._timer: TimerHandle | None = self._loop.call_later(_FIRST_HOLD_S, self._lose)
        self._reminder: TimerHandle | None = None
        self._tasks = [self._loop.create_task(self._watch()), self._loop.create_task(self._ask())]

    def on_lost(self, notify: Callable[[BackendUnavailable], None]) -> None:
        """Calls `notify` whenever the owner becomes lost, with the error for what waits."""
        self._on_lost.append(notify)

    def check(self) -> None:
        """Raises `OwnerLost` while the owner is lost."""
        if self.is_lost:
            raise OwnerLost(self._reason)

    async def close(self) -> None:
        """Stops following. Call it before the channel is closed."""
        self._cancel_timers()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    async def _watch(self) -> None:
        # The channel may be closed first, where a process ends at once.
        with suppress(grpc.aio.UsageError):
            while True:
                state = self._channel.get_state(try_to_connect=True)
                if state is _READY:
                    await self._until_it_answers()
                    state = self._channel.get_state()
                self._note(state)
                await self._channel.wait_for_state_change(state)

    async def _ask(self) -> None:
        with suppress(grpc.aio.UsageError):
            while True:
                await asyncio.sleep(_ASK_EVERY_S)
                if self._channel.get_state() is _READY:
                    await self._until_it_answers()
                    self._note(self._channel.get_state())

    async def _until_it_answers(self) -> None:
        """Returns when the member has answered, or the connection broke. Meanwhile it is lost."""
        while not await self._answers():
            self._lose()
            await asyncio.sleep(_ASK_AGAIN_S)

    async def _answers(self) -> bool:
        """Returns whether the member is there and no other one, as happens to the IPs of pods."""
        channel: Any = self._channel
        health: Any = HealthStub(channel)
        try:
            await health.Check(HealthCheckRequest(), timeout=_ASK_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            hangs = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            return not hangs and not is_other_member(error)
        return True

    def _note(self, state: grpc.ChannelConnectivity) -> None:
        if state is _READY:
            self._cancel_timers()
            if self.is_lost:
                self.is_lost = False
                log.info("%s at %s is connected again", self._name, self._address)
        elif state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            self._lose()
        elif self._timer is None and not self.is_lost:
            self._timer = self._loop.call_later(_HOLD_S, self._lose)

    def _lose(self) -> None:
        if self.is_lost:
            return
        self._cancel_timers()
        self.is_lost = True
        self._remind()
        for notify in self._on_lost:
            notify(BackendUnavailable(self._reason))

    def _remind(self) -> None:
        log.warning(
            "cannot reach %s at %s: requests for its partitions and groups are refused until"
            " it is back (look at its log, and whether that address is its own)",
            self._name,
            self._address,
        )
        self._reminder = self._loop.call_later(_REMIND_S, self._remind)

    def _cancel_timers(self) -> None:
        for timer in (self._timer, self._reminder):
            if timer is not None:
                timer.cancel()
        self._timer = self._reminder = None
