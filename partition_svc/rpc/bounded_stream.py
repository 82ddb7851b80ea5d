"""Bidirectional streams that begin calls in the order of arrival and send responses when ready.

Both directions put everything that waits into the next message; there is no timer. gRPC costs by
the message: a stream carries 7,789 messages of 1 KiB a second, and 120,948 items of 1 KiB with 16
in a message (docs/performance.md, "Limits of the machine"). The contracts in tests/contracts hold
the streams to the plain path: they demand the same results over gRPC and of the owner in process.

Calls in flight are bounded: the stream does not read from a caller that sends faster than the
service works, or that does not read its responses.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable
from typing import Generic, TypeVar

from google.protobuf.message import DecodeError

from common.rpc.status import MalformedRequest, undecodable

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


class BoundedStream(Generic[RequestT, ResponseT]):
    """Reads requests and yields responses. One instance for each stream.

    Subclasses decide how calls begin (`_begin_calls`) and how their results become messages
    (`_next_response`). They report each call by `_call_started` and `_call_finished`.
    """

    def __init__(self, *, bytes_in_flight_max: int) -> None:
        self._bytes_in_flight_max = bytes_in_flight_max
        self._bytes_in_flight = 0
        self._calls_in_flight = 0
        self._changed = asyncio.Event()
        self._may_read = asyncio.Event()
        self._has_ended = False
        self._bug: BaseException | None = None
        #: The reason why the service ended the stream, for its status; None if the caller did.
        self.failure: Exception | None = None

    def end(self, failure: Exception) -> None:
        """Begins no more calls; those in flight still complete. The first reason counts."""
        self.failure = self.failure or failure
        self._stop_reading()

    def fail(self, bug: BaseException) -> None:
        """Like `end`, for a call without a response; `responses` raises `bug` after the others."""
        self._bug = self._bug or bug
        self._stop_reading()

    async def responses(self, requests: AsyncIterator[RequestT]) -> AsyncIterator[ResponseT]:
        """Yields all responses; ends after `end` or the last request, when no call is in flight.

        Raises the exception of a bug in reading or in a call, after the other responses.
        """
        reading = asyncio.create_task(self._read(requests))
        try:
            while self._calls_in_flight or self._has_responses or not self._has_ended:
                if not self._has_responses:
                    self._changed.clear()
                    await self._changed.wait()
                    continue
                response, size = self._next_response()
                yield response
                self._release(size)
            if self._bug is not None:
                raise self._bug
        finally:
            tasks = [reading, *self._tasks()]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _begin_calls(self, request: RequestT) -> Awaitable[None] | None:
        """Begins all calls of a message, or returns an awaitable that does.

        Raises `MalformedRequest`. Any other exception is a bug, and ends the stream once the calls
        in flight have responses.
        """
        raise NotImplementedError

    @property
    def _has_responses(self) -> bool:
        """True if `_next_response` has something to send."""
        raise NotImplementedError

    def _next_response(self) -> tuple[ResponseT, int]:
        """Returns the next message, and the bytes in flight to release once it has left."""
        raise NotImplementedError

    @property
    def _is_full(self) -> bool:
        """True if no requests are to be read at present."""
        return self._bytes_in_flight > self._bytes_in_flight_max

    def _tasks(self) -> Iterable[asyncio.Task[None]]:
        """Returns the tasks of calls in flight, which are cancelled when the stream closes."""
        return ()

    def _call_started(self, size: int) -> None:
        """Counts a call that is in flight and will end by `_call_finished`."""
        self._calls_in_flight += 1
        self._bytes_in_flight += size

    def _call_finished(self) -> None:
        """Counts the end of a call, with or without a result. Does not release its bytes."""
        self._calls_in_flight -= 1
        self._changed.set()

    def _release(self, size: int) -> None:
        self._bytes_in_flight -= size
        if not self._is_full:
            self._may_read.set()

    async def _wait_until_not_full(self) -> None:
        while self._is_full and not self._has_ended:
            self._may_read.clear()
            await self._may_read.wait()

    async def _read(self, requests: AsyncIterator[RequestT]) -> None:
        try:
            async for request in requests:
                if self._has_ended:
                    return
                remaining = self._begin_calls(request)
                if remaining is not None:
                    await remaining
                if self._is_full:
                    await self._wait_until_not_full()
        except MalformedRequest as error:
            self.end(error)
        except DecodeError:
            self.end(undecodable())
        except Exception as error:  # noqa: BLE001 - a bug, which `responses` raises
            self.fail(error)
        finally:
            self._has_ended = True
            self._changed.set()

    def _stop_reading(self) -> None:
        self._has_ended = True
        self._changed.set()
        self._may_read.set()
