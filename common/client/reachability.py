"""Reachability of an owner: whether it has a connection, or may have one within moments.

gRPC reconnects by itself, with growing delays. A request that waited for it would delay all later
responses on its client's connection. So while an owner is lost, its requests are refused at once.
They wait only at the first attempt to connect, and for a moment after a connection broke, because
a running service is connected again within milliseconds.

A process that hangs keeps its connections open, and gRPC does not notice. So the owner's health is
checked periodically, and the owner is lost while it does not respond.
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

#: How long requests wait for the first connection, and for one that replaces a broken one. gRPC
#: detects a closed port within milliseconds, and an address without a response in about a second.
_FIRST_HOLD_S: Final = 3.0
_HOLD_S: Final = 0.3

#: Interval and timeout of the health check: together about as long as a member's lease
#: (broker.session.timeout.ms). A busy member responds within a second or two.
_CHECK_EVERY_S: Final = 3.0
_CHECK_TIMEOUT_S: Final = 5.0
#: Delay before the next check of a member that hangs, or of another member at its address.
_CHECK_AGAIN_S: Final = 0.5

_READY: Final = grpc.ChannelConnectivity.READY

#: Interval at which an owner that stays lost is logged again.
_LOG_AGAIN_S: Final = 60.0


class Reachability:
    """Follows the state of a channel and makes it connect, until `close`."""

    def __init__(self, name: str, address: str, channel: Channel) -> None:
        """`name` is the owner's and `address` the channel's target, both for the log."""
        self.is_lost = False
        self._name = name
        self._address = address
        self._reason = f"{name} at {address} cannot be reached"
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._on_lost: list[Callable[[BackendUnavailable], None]] = []
        self._timer: TimerHandle | None = self._loop.call_later(_FIRST_HOLD_S, self._mark_lost)
        self._log_timer: TimerHandle | None = None
        self._tasks = [
            self._loop.create_task(self._watch()),
            self._loop.create_task(self._check_health()),
        ]

    def on_lost(self, notify: Callable[[BackendUnavailable], None]) -> None:
        """Calls `notify` whenever the owner becomes lost, with the error for pending requests."""
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
        # The channel may be closed first if the process ends at once.
        with suppress(grpc.aio.UsageError):
            while True:
                state = self._channel.get_state(try_to_connect=True)
                if state is _READY:
                    await self._wait_until_healthy()
                    # The connection may have broken meanwhile, after which a channel is idle.
                    state = self._channel.get_state(try_to_connect=True)
                self._apply_state(state)
                await self._channel.wait_for_state_change(state)

    async def _check_health(self) -> None:
        with suppress(grpc.aio.UsageError):
            while True:
                await asyncio.sleep(_CHECK_EVERY_S)
                if self._channel.get_state() is _READY:
                    await self._wait_until_healthy()
                    self._apply_state(self._channel.get_state())

    async def _wait_until_healthy(self) -> None:
        """Marks the owner lost until a health check succeeds or the connection breaks."""
        while not await self._is_healthy():
            self._mark_lost()
            await asyncio.sleep(_CHECK_AGAIN_S)

    async def _is_healthy(self) -> bool:
        """Returns True unless the member hangs or another one has its address (a pod's IP)."""
        channel: Any = self._channel
        health: Any = HealthStub(channel)
        try:
            await health.Check(HealthCheckRequest(), timeout=_CHECK_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            hangs = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            return not hangs and not is_other_member(error)
        return True

    def _apply_state(self, state: grpc.ChannelConnectivity) -> None:
        if state is _READY:
            self._cancel_timers()
            if self.is_lost:
                self.is_lost = False
                log.info("%s at %s is connected again", self._name, self._address)
        elif state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            self._mark_lost()
        elif self._timer is None and not self.is_lost:
            self._timer = self._loop.call_later(_HOLD_S, self._mark_lost)

    def _mark_lost(self) -> None:
        if self.is_lost:
            return
        self._cancel_timers()
        self.is_lost = True
        self._log_lost()
        for notify in self._on_lost:
            notify(BackendUnavailable(self._reason))

    def _log_lost(self) -> None:
        log.warning(
            "cannot reach %s at %s: requests for its partitions and groups are refused until"
            " it is connected again (check its log, and that it has this address)",
            self._name,
            self._address,
        )
        self._log_timer = self._loop.call_later(_LOG_AGAIN_S, self._log_lost)

    def _cancel_timers(self) -> None:
        for timer in (self._timer, self._log_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._log_timer = None
