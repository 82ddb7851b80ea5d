"""A stream of calls that are begun in the order of arrival and answered as they can be.

Both directions put whatever waits into the next message; there is no timer. What is in flight is
bounded: a caller that sends faster than is worked here, or does not read its answers, is not read
from.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Generic, TypeVar

from google.protobuf.message import DecodeError

from common.rpc.status import MalformedRequest, undecodable

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


class BoundedStream(Generic[RequestT, ResponseT]):
    """Reads requests and hands out responses. One for each stream.

    Subclasses begin calls (`_take`), which count by `_began` and `_ended`, and make messages of
    what is answered (`_next_response`).
    """

    def __init__(self, *, bytes_in_flight_max: int) -> None:
        self._bytes_in_flight_max = bytes_in_flight_max
        self._bytes_in_flight = 0
        self._calls_in_flight = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._has_ended = False
        self._bug: BaseException | None = None
        #: Why the stream cannot go on, for its status; None where the caller ended it.
        self.failure: Exception | None = None

    def end(self, failure: Exception) -> None:
        """No more calls; what is in flight is still answered. The first reason counts."""
        self.failure = self.failure or failure
        self._has_ended = True
        self._changed.set()
        self._room.set()

    def fail(self, bug: BaseException) -> None:
        """As `end`, where a call will have no answer: `responses` raises `bug` after the others."""
        self._bug = self._bug or bug
        self._has_ended = True
        self._changed.set()
        self._room.set()

    async def responses(self, requests: AsyncIterator[RequestT]) -> AsyncIterator[ResponseT]:
        """All responses, until the requests end or `end` was called, and all is answered.

        Raises what a bug in reading or answering raised, after the rest was answered.
        """
        reading = asyncio.create_task(self._read(requests))
        try:
            while self._calls_in_flight or self._is_answered or not self._has_ended:
                if not self._is_answered:
                    self._changed.clear()
                    await self._changed.wait()
                    continue
                response, size = self._next_response()
                yield response
                self._release(size)
            if self._bug is not None:
                raise self._bug
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    def _take(self, request: RequestT) -> Awaitable[None] | None:
        """Begins all calls of a message, or returns what does so when it is awaited.

        Raises `MalformedRequest` before it begins any.

        Anything else that it raises is a bug: the stream ends when what was begun is answered.
        """
        raise NotImplementedError

    @property
    def _is_answered(self) -> bool:
        """Whether there is something to be sent."""
        raise NotImplementedError

    def _next_response(self) -> tuple[ResponseT, int]:
        """As much of it as one message holds, and the bytes that are free when it has left."""
        raise NotImplementedError

    def _began(self, size: int) -> None:
        """A call is under way, and will end by `_ended`; never before it has been begun."""
        self._calls_in_flight += 1
        self._bytes_in_flight += size

    def _ended(self) -> None:
        """A call has its answer, or will have none. Its bytes are released by somebody else."""
        self._calls_in_flight -= 1
        self._changed.set()

    def _release(self, size: int) -> None:
        self._bytes_in_flight -= size
        if self._bytes_in_flight <= self._bytes_in_flight_max:
            self._room.set()

    async def _read(self, requests: AsyncIterator[RequestT]) -> None:
        try:
            async for request in requests:
                if self._has_ended:
                    return
                later = self._take(request)
                if later is not None:
                    await later
                while self._bytes_in_flight > self._bytes_in_flight_max and not self._has_ended:
                    self._room.clear()
                    await self._room.wait()
        except MalformedRequest as error:
            self.end(error)
        except DecodeError:
            self.end(undecodable())
        except Exception as error:  # noqa: BLE001 - a bug, which `responses` raises
            self.fail(error)
        finally:
            self._has_ended = True
            self._changed.set()
