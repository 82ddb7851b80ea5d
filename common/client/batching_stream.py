"""One long-lived stream to an owner that sends many small items in few messages.

Everything that is queued leaves in the next message, as soon as the one before is written; there is
no timer, since a gRPC message costs nearly the same whatever it holds. The stream is opened when
the first item is queued, and again after each loss. A `StreamHandler` decides what the messages
hold and matches responses to requests.
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

#: Interval of the checks for overdue responses.
_CHECK_S: Final = 1.0

_ENDED: Final = "ended by the owner"

#: Interval at which a stream that stays lost is logged again.
_LOG_AGAIN_S: Final = 60.0

#: The first and the longest delay before a lost stream is opened again.
_REOPEN_S_FIRST: Final = 0.05
_REOPEN_S_MAX: Final = 1.0


class StreamHandler(Protocol[_RequestT_co, _ResponseT_contra]):
    """Makes the messages of a stream and consumes the responses.

    An exception from any method ends the stream and is followed by `on_lost`.
    """

    @property
    def has_queued(self) -> bool:
        """True if anything is queued for sending."""
        ...

    def next_message(self) -> _RequestT_co | None:
        """Returns a message of queued items, or None if they wait for a response or a `wake`."""
        ...

    def on_response(self, response: _ResponseT_contra) -> None: ...

    def check_timeouts(self) -> None:
        """Called once a second. Raises `BackendUnavailable` if the owner seems to hang."""
        ...

    def on_lost(self, error: BackendUnavailable) -> None:
        """Fails everything: the outcome of sent items is unknown, queued ones will not be sent.

        If `error` is a `CallNotSent`, sent items did not leave this process either.
        """
        ...


class BatchingStream(Generic[RequestT, ResponseT]):
    """Runs from the first `wake` until `close`."""

    def __init__(
        self,
        name: str,
        method: str,
        open_stream: Callable[[], grpc.aio.StreamStreamCall[RequestT, ResponseT]],
        handler: StreamHandler[RequestT, ResponseT],
        *,
        lost_level: int = logging.WARNING,
    ) -> None:
        """`name` is the owner's and `method` the call's, both for errors and log lines.

        `lost_level` is the level of the log line about a loss.
        """
        self._name = name
        self._label = f"{name} {method}"
        self._open_stream = open_stream
        self._handler = handler
        self._lost_level = lost_level
        self._wake = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._stream: grpc.aio.StreamStreamCall[RequestT, ResponseT] | None = None
        self._backoff = Backoff(_REOPEN_S_FIRST, _REOPEN_S_MAX)
        self._is_closed = False
        self._abandoned: BackendUnavailable | None = None
        self._has_received = False
        self._log_again_at = 0.0

    def wake(self) -> None:
        """Tells the stream that an item is queued, or that queued items may be sent now."""
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())
        self._wake.set()

    def abandon(self, error: BackendUnavailable) -> None:
        """Fails all items and ends the stream, or the attempt to open one: the owner is lost."""
        if self._stream is not None:
            self._abandoned = BackendUnavailable(f"{self._label}: {error}")
            self._stream.cancel()
        self._handler.on_lost(error)

    async def close(self) -> None:
        """Ends the stream. Items without a response fail."""
        self._is_closed = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        self._handler.on_lost(BackendUnavailable(f"{self._name}: the gateway is stopping"))

    async def _run(self) -> None:
        while True:
            await self._wait_for_items()
            try:
                with unavailable_on_failure(self._label):
                    await self._run_stream(self._open_stream())
            except BackendUnavailable as error:
                # The status of a stream that was cancelled does not give the reason.
                error, self._abandoned = self._abandoned or error, None
                log.log(self._loss_level(), "stream lost: %s", error)
                self._handler.on_lost(error)
            except Exception as error:
                log.exception("%s failed", self._label)
                self._handler.on_lost(BackendUnavailable(f"{self._name}: {error!r}"))
            if self._is_closed:
                # A task group that is about to fail swallows a cancellation (Python 3.11).
                return
            await asyncio.sleep(self._backoff.next_s())

    def _loss_level(self) -> int:
        """Returns the level for a loss: DEBUG for most losses in a row without a response."""
        now = asyncio.get_running_loop().time()
        if not self._has_received and now < self._log_again_at:
            return logging.DEBUG
        self._has_received = False
        self._log_again_at = now + _LOG_AGAIN_S
        return self._lost_level

    async def _wait_for_items(self) -> None:
        while not self._handler.has_queued:
            self._wake.clear()
            await self._wake.wait()

    async def _run_stream(self, stream: grpc.aio.StreamStreamCall[RequestT, ResponseT]) -> None:
        """Sends and receives until the stream ends, which raises."""
        self._stream = stream
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send(stream))
                group.create_task(self._check_periodically())
                await self._receive(stream)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            self._stream = None
            stream.cancel()

    async def _send(self, stream: grpc.aio.StreamStreamCall[RequestT, ResponseT]) -> None:
        while True:
            await self._wait_for_items()
            while (message := self._handler.next_message()) is not None:
                await self._write(stream, message)
            self._wake.clear()
            await self._wake.wait()

    async def _write(
        self, stream: grpc.aio.StreamStreamCall[RequestT, ResponseT], message: RequestT
    ) -> None:
        try:
            await stream.write(message)
        except asyncio.InvalidStateError as error:
            # The stream has ended, and `_receive` has not raised the status yet.
            raise await self._status_of(stream) from error

    async def _status_of(
        self, stream: grpc.aio.StreamStreamCall[RequestT, ResponseT]
    ) -> BackendUnavailable:
        """Returns the error for the status with which a stream ended."""
        code = await stream.code()
        if code is grpc.StatusCode.OK:
            return BackendUnavailable(f"{self._label}: {_ENDED}")
        return failed_call(self._label, code, await stream.details())

    async def _receive(self, stream: grpc.aio.StreamStreamCall[RequestT, ResponseT]) -> None:
        async for response in stream:
            self._backoff.reset()
            self._has_received = True
            self._handler.on_response(response)
            if self._handler.has_queued:
                self._wake.set()
        raise BackendUnavailable(f"{self._label}: {_ENDED}")

    async def _check_periodically(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_S)
            self._handler.check_timeouts()
