"""A channel to a service that runs several times and of which one answers: the leader.

It looks like a channel to the stubs that are put on it. Who leads is asked of all addresses at
once, through grpc.health.v1, and remembered until a call shows that it is so no more. Calls wait
for an election within their deadline. A call that may have taken effect is not made again: whether
it may be is for the caller to know.
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

#: How the refusal of a service begins that does not lead. Its status is UNAVAILABLE.
NOT_LEADER: Final = "not the leader"

#: The service that is found so.
METADATA: Final = "metadata.v1.MetadataService"

#: How long an address may take to say whether it leads.
_ASK_TIMEOUT_S: Final = 1.0
#: The first and the longest delay between two rounds of health checks, and their jitter: all
#: clients lose a leader at the same moment.
_RETRY_S_FIRST: Final = 0.05
_RETRY_S_MAX: Final = 1.0
_JITTER: Final = 0.5

_NO_ANSWER: Final = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}

Multicallable: TypeAlias = Callable[..., Awaitable[Any]]


class LeaderChannel:
    """Implements as much of `grpc.aio.Channel` as stubs of unary and two-way calls need."""

    def __init__(self, channels: Sequence[grpc.aio.Channel], service: str) -> None:
        """`service` is the full name under which health tells who leads.

        The channels stay the caller's, to be closed after the last call.
        """
        self._channels = channels
        self._service = service
        self._leader: grpc.aio.Channel | None = None
        self._search = asyncio.Lock()

    def unary_unary(self, method: str, **serializers: Any) -> Multicallable:
        calls = {one: one.unary_unary(method, **serializers) for one in self._channels}

        async def call(request: Any, *, timeout: float, wait_for_ready: bool = True) -> Any:  # noqa: ASYNC109 - as gRPC has it
            deadline = asyncio.get_running_loop().time() + timeout
            backoff = Backoff(_RETRY_S_FIRST, _RETRY_S_MAX, jitter=_JITTER)
            while True:
                leader = await self.leader(deadline)
                left_s = deadline - asyncio.get_running_loop().time()
                try:
                    return await calls[leader](request, timeout=max(left_s, 0.0))
                except grpc.aio.AioRpcError as error:
                    if error.code() in _NO_ANSWER:
                        self.lost(leader, error)
                    if not _is_refusal(error) or not await _pause(backoff.next_s(), deadline):
                        raise

        return call

    def stream_stream(self, method: str, **serializers: Any) -> Callable[[], LeaderStream]:
        calls = {one: one.stream_stream(method, **serializers) for one in self._channels}

        async def begin() -> tuple[grpc.aio.Channel, Any]:
            leader = await self.leader(asyncio.get_running_loop().time() + CALL_TIMEOUT_S)
            return leader, calls[leader]()

        return lambda: LeaderStream(begin, self.leads, self.lost)

    async def leader(self, deadline: float) -> grpc.aio.Channel:
        """The channel to whoever leads; waits for an election until `deadline` (loop time).

        Raises:
            BackendUnavailable: nobody led in time.
        """
        backoff = Backoff(_RETRY_S_FIRST, _RETRY_S_MAX, jitter=_JITTER)
        try:
            # One asks, for all who wait.
            async with asyncio.timeout_at(deadline), self._search:
                while self._leader is None or not _is_connected(self._leader):
                    self._leader = await self._ask_all()
                    if self._leader is None and not await _pause(backoff.next_s(), deadline):
                        break
                else:
                    return self._leader
        except TimeoutError:
            pass
        raise BackendUnavailable(f"none of {len(self._channels)} addresses leads")

    def lost(self, channel: grpc.aio.Channel, why: object) -> None:
        """Asks anew who leads before the next call, unless another was found meanwhile."""
        if self._leader is channel:
            log.debug("the leader is asked for anew: %s", why)
            self._leader = None

    async def leads(self, channel: grpc.aio.Channel) -> bool:
        """What the service behind `channel` says; False where it says nothing."""
        request = HealthCheckRequest(service=self._service)
        stub: Any = HealthStub(channel)
        try:
            answer = await stub.Check(request, timeout=_ASK_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            log.debug("asking for the leader: %s", error.details())
            return False
        return bool(answer.status == HealthCheckResponse.SERVING)

    async def _ask_all(self) -> grpc.aio.Channel | None:
        """The first that says so: one that hangs holds nobody up."""
        asked = {asyncio.create_task(self.leads(one)): one for one in self._channels}
        try:
            for answered in asyncio.as_completed(asked):
                if await answered:
                    return next(one for task, one in asked.items() if _says_yes(task))
        finally:
            for task in asked:
                task.cancel()
            await asyncio.wait(asked)
        return None


@asynccontextmanager
async def open_leader_channel(
    addresses: str, service: str = METADATA
) -> AsyncIterator[grpc.aio.Channel | LeaderChannel]:
    """A channel to "host:port", or to the one of "host:port,host:port,…" that leads."""
    async with AsyncExitStack() as opened:
        found = [address.strip() for address in addresses.split(",") if address.strip()]
        channels = [await opened.enter_async_context(open_channel(one)) for one in found]
        yield channels[0] if len(channels) == 1 else LeaderChannel(channels, service)


async def _pause(delay_s: float, deadline: float) -> bool:
    """Sleeps. Returns False at once if the deadline (loop time) would pass meanwhile."""
    if asyncio.get_running_loop().time() + delay_s >= deadline:
        return False
    await asyncio.sleep(delay_s)
    return True


def _is_connected(channel: grpc.aio.Channel) -> bool:
    return channel.get_state() is grpc.ChannelConnectivity.READY


def _says_yes(task: asyncio.Task[bool]) -> bool:
    return task.done() and not task.cancelled() and task.result()


def _is_refusal(error: grpc.aio.AioRpcError) -> bool:
    """Nothing was done, because that service does not lead."""
    is_unavailable = error.code() is grpc.StatusCode.UNAVAILABLE
    return is_unavailable and (error.details() or "").startswith(NOT_LEADER)
