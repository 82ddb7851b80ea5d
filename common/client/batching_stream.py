"""One long-lived stream to an owner, over which many small things travel in few messages.

Whatever waits leaves together in the next message, as soon as the one before is written: no timer
(design: a gRPC message costs the same whatever it holds). The stream is opened when there is
something to send for the first time, and again whenever it was lost. What travels, and what becomes
of it, is the business of a `Traffic`.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

import grpc
import grpc.aio

from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import failed_call, unavailable_on_failure
from common.runtime.backoff import Backoff

log = logging.getLogger(__name__)

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")
_RequestT_co = TypeVar("_RequestT_co", covariant=True)
_ResponseT_contra = TypeVar("_ResponseT_contra", contravariant=True)

#: How often overdue answers are looked for.
_LOOK_S: Final = 1.0

_ENDED: Final = "ended by the owner"

#: How often the log says again that a stream is lost.
_REMIND_S: Final = 60.0

#: The first and the longest delay before a lost stream is opened again.
_REOPEN_S_FIRST: Final = 0.05
_REOPEN_S_MAX: Final = 1.0


class Traffic(Protocol[_RequestT_co, _ResponseT_contra]):
    """What goes over a stream and comes back. Where a method raises, the stream is lost."""

    @property
    def is_waiting(self) -> bool:
        """Whether anything waits to be sent."""
        ...

    def next_message(self) -> _RequestT_co | None:
        """What waits; None where it has to wait longer, until something was received."""
        ...

    def received(self, response: _ResponseT_contra) -> None: ...

    def look(self) -> None:
        """Called once a second. Raises `BackendUnavailable` where the owner seems to hang."""
        ...

    def lost(self, error: BackendUnavailable) -> None:
        """The outcome of all that is under way is not known, and nothing that waits will go.

        Where `error` is a `CallNotSent`, nothing of what is under way has left either.
        """
        ...


class LongStream(Generic[RequestT, ResponseT]):
    """Runs from the first `wake` on until `close`."""

    def __init__(
        self,
        name: str,
        method: str,
        open_stream: Callable[[], grpc.aio.StreamStreamCall[RequestT, ResponseT]],
        traffic: Traffic[RequestT, ResponseT],
        *,
        lost_level: int = logging.WARNING,
    ) -> None:
        """`name` is the owner's, `method` the call's, for errors and log lines.

        `lost_level`: of the line that says that the stream was lost.
        """
        self._name = name
        self._what = f"{name} {method}"
        self._open_stream = open_stream
        self._traffic = traffic
        self._lost_level = lost_level
        self._wake = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._stream: grpc.aio.StreamStreamCall[RequestT, ResponseT] | None = None
        self._backoff = Backoff(_REOPEN_S_FIRST, _REOPEN_S_MAX)
        self._is_closed = False
        self._abandoned: BackendUnavailable | None = None
        self._has_received = False
        self._remind_at = 0.0

    def wake(self) -> None:
        """Something waits to be sent, or may be sent now."""
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())
        self._wake.set()

    def abandon(self, error: BackendUnavailable) -> None:
        """Ends the stream, or the attempt to open one: the owner is lost. Fails what waits."""
        if self._stream is not None:
            self._abandoned = BackendUnavailable(f"{self._what}: {error}")
            self._stream.cancel()
        self._traffic.lost(error)

    async def close(self) -> None:
        """Ends the stream. What has no answer yet is lost."""
        self._is_closed = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        self._traffic.lost(BackendUnavailable(f"{self._name}: the gateway is stopping"))

    async def _run(self) -> None:
        while True:
            await self._until_wanted()
            try:
                with unavailable_on_failure(self._what):
                    await self._run_stream(self._open_stream())
            except BackendUnavailable as error:
                # What a cancelled stream ends with does not say why.
                error, self._abandoned = self._abandoned or error, None
                log.log(self._level_of_loss(), "stream lost: %s", error)
                self._traffic.lost(error)
            except Exception as error:
                log.exception("%s failed", self._what)
                self._traffic.lost(BackendUnavailable(f"{self._name}: {error!r}"))
            if self._is_closed:
                # A task group that fails just then forgets that it was cancelled (Python 3.11).
                return
            await asyncio.sleep(self._backoff.next_s())

    def _level_of_loss(self) -> int:
        """Attempts that fail one after the other are told once, and then from time to time."""
        now = asyncio.get_running_loop().time()
        if not self._has_received and now < self._remind_at:
            return logging.DEBUG
        self._has_received = False
        self._remind_at = now + _REMIND_S
        return self._lost_level

    async def _until_wanted(self) -> None:
        while not self._traffic.is_waiting:
            self._wake.clear()
            await self._wake.wait()

    async def _run_stream(self, stream: grpc.aio.StreamStreamCall[RequestT, ResponseT]) -> None:
        """Sends and receives until the stream ends, which raises."""
        self._stream = stream
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send(stream))
                group.create_task(self._look())
                await self._receive(stream)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            self._stream = None
            stream.cancel()

    async def _send(self, stream: grpc.aio.StreamStreamCall[RequestT, ResponseT]) -> None:
        while True:
            await self._until_wanted()
            while (message := self._traffic.next_message()) is not None:
                await self._write(stream, message)
            self._wake.clear()
            await self._wake.wait()

    async def _write(
        self, stream: grpc.aio.StreamStreamCall[RequestT, ResponseT], message: RequestT
    ) -> None:
        try:
            await stream.write(message)
        except asyncio.InvalidStateError as error:
            # It ended a moment ago, and `_receive` has not been told why yet.
            raise await self._end_of(stream) from error

    async def _end_of(
        self, stream: grpc.aio.StreamStreamCall[RequestT, ResponseT]
    ) -> BackendUnavailable:
        """Why a stream has ended."""
        code = await stream.code()
        if code is grpc.StatusCode.OK:
            return BackendUnavailable(f"{self._what}: {_ENDED}")
        return failed_call(self._what, code, await stream.details())

    async def _receive(self, stream: grpc.aio.StreamStreamCall[RequestT, ResponseT]) -> None:
        async for response in stream:
            self._backoff.reset()
            self._has_received = True
            self._traffic.received(response)
            if self._traffic.is_waiting:
                self._wake.set()
        raise BackendUnavailable(f"{self._what}: {_ENDED}")

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            self._traffic.look()
