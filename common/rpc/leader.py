"""Channel to the leader of a service that has several instances.

Stubs use it like any channel. It finds the leader by a health check (grpc.health.v1) of all
addresses at once, and keeps the result until a call fails. Calls wait for an election until their
deadline. A call that may have taken effect is not retried here, since only the caller knows if a
retry is safe.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import CALL_TIMEOUT_S, open_channel
from common.rpc.leader_stream import LeaderStream
from common.runtime.backoff import Backoff

log = logging.getLogger(__name__)

#: Prefix of the details of an UNAVAILABLE status from an instance that is not the leader.
NOT_LEADER: Final = "not the leader"

#: The service whose leader is found this way.
METADATA: Final = "metadata.v1.MetadataService"

#: Timeout of the health check of one address.
_CHECK_TIMEOUT_S: Final = 1.0
#: The first and the longest delay between two rounds of health checks, and their jitter: all
#: clients lose a leader at the same moment.
_RETRY_S_FIRST: Final = 0.05
_RETRY_S_MAX: Final = 1.0
_JITTER: Final = 0.5

_NO_RESPONSE: Final = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}

Multicallable: TypeAlias = Callable[..., Awaitable[Any]]


class LeaderChannel:
    """Implements the part of `grpc.aio.Channel` that stubs of unary and two-way calls need."""

    def __init__(self, channels: Sequence[grpc.aio.Channel], service: str) -> None:
        """`service` is the full name of the service in the health checks.

        The caller closes the channels after the last call.
        """
        self._channels = channels
        self._service = service
        self._leader: grpc.aio.Channel | None = None
        self._search = asyncio.Lock()

    def unary_unary(self, method: str, **serializers: Any) -> Multicallable:
        calls = {each: each.unary_unary(method, **serializers) for each in self._channels}

        async def call(request: Any, *, timeout: float, wait_for_ready: bool = True) -> Any:  # noqa: ASYNC109 - as gRPC has it
            deadline = asyncio.get_running_loop().time() + timeout
            backoff = Backoff(_RETRY_S_FIRST, _RETRY_S_MAX, jitter=_JITTER)
            while True:
                leader = await self.leader(deadline)
                timeout_s = deadline - asyncio.get_running_loop().time()
                try:
                    return await calls[leader](request, timeout=max(timeout_s, 0.0))
                except grpc.aio.AioRpcError as error:
                    if error.code() in _NO_RESPONSE:
                        self.on_lost(leader, error)
                    if not _is_not_leader(error) or not await _sleep(backoff.next_s(), deadline):
                        raise

        return call

    def stream_stream(self, method: str, **serializers: Any) -> Callable[[], LeaderStream]:
        calls = {
            channel: channel.stream_stream(method, **serializers) for channel in self._channels
        }

        async def begin() -> tuple[grpc.aio.Channel, Any]:
            leader = await self.leader(asyncio.get_running_loop().time() + CALL_TIMEOUT_S)
            return leader, calls[leader]()

        return lambda: LeaderStream(begin, self.is_leader, self.on_lost)

    async def leader(self, deadline: float) -> grpc.aio.Channel:
        """Returns the channel to the leader; waits for an election until `deadline` (loop time).

        Raises:
            BackendUnavailable: no address was the leader in time.
        """
        backoff = Backoff(_RETRY_S_FIRST, _RETRY_S_MAX, jitter=_JITTER)
        try:
            # One search serves all callers that wait.
            async with asyncio.timeout_at(deadline), self._search:
                while self._leader is None or not _is_connected(self._leader):
                    self._leader = await self._check_all()
                    if self._leader is None and not await _sleep(backoff.next_s(), deadline):
                        break
                else:
                    return self._leader
        except TimeoutError:
            pass
        raise BackendUnavailable(f"none of {len(self._channels)} addresses leads")

    def on_lost(self, channel: grpc.aio.Channel, cause: object) -> None:
        """Makes the next call search the leader again, unless another was found meanwhile."""
        if self._leader is channel:
            log.debug("lost the leader of %s: %s", self._service, cause)
            self._leader = None

    async def is_leader(self, channel: grpc.aio.Channel) -> bool:
        """True if the health check of `channel` says so; False without a response."""
        request = HealthCheckRequest(service=self._service)
        stub: Any = HealthStub(channel)
        try:
            response = await stub.Check(request, timeout=_CHECK_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            log.debug("health check of %s failed: %s", self._service, error.details())
            return False
        return bool(response.status == HealthCheckResponse.SERVING)

    async def _check_all(self) -> grpc.aio.Channel | None:
        """Returns the first channel that is the leader's; an address that hangs delays nothing."""
        checks = {asyncio.create_task(self.is_leader(each)): each for each in self._channels}
        try:
            for check in asyncio.as_completed(checks):
                if await check:
                    return next(channel for task, channel in checks.items() if _is_true(task))
        finally:
            for task in checks:
                task.cancel()
            await asyncio.wait(checks)
        return None


@asynccontextmanager
async def open_leader_channel(
    addresses: str, service: str = METADATA
) -> AsyncIterator[grpc.aio.Channel | LeaderChannel]:
    """Opens a channel to "host:port", or to the leader among "host:port,host:port,…"."""
    async with AsyncExitStack() as opened:
        parts = [part.strip() for part in addresses.split(",") if part.strip()]
        channels = [await opened.enter_async_context(open_channel(address)) for address in parts]
        yield channels[0] if len(channels) == 1 else LeaderChannel(channels, service)


async def _sleep(delay_s: float, deadline: float) -> bool:
    """Sleeps; returns False at once if the deadline (loop time) would pass meanwhile."""
    if asyncio.get_running_loop().time() + delay_s >= deadline:
        return False
    await asyncio.sleep(delay_s)
    return True


def _is_connected(channel: grpc.aio.Channel) -> bool:
    return channel.get_state() is grpc.ChannelConnectivity.READY


def _is_true(task: asyncio.Task[bool]) -> bool:
    return task.done() and not task.cancelled() and task.result()


def _is_not_leader(error: grpc.aio.AioRpcError) -> bool:
    """True if the call had no effect, because it reached an instance that is not the leader."""
    is_unavailable = error.code() is grpc.StatusCode.UNAVAILABLE
    return is_unavailable and (error.details() or "").startswith(NOT_LEADER)
