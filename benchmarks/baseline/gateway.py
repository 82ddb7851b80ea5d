"""Sockets and Kafka bytes of the baseline: only the requests that the load client sends.

Produce v9 of one batch, Fetch v12 of one topic, CreateTopics v2 (says yes), ApiVersions v0. Whoever
sends anything else gets an exception in the log. Answers leave in the order of the requests.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Awaitable, Sequence
from typing import Protocol, cast

from benchmarks.baseline.store import Log
from benchmarks.load.requests import uvarint

_PRODUCE, _FETCH, _API_VERSIONS = 0, 1, 18
_HEADER = struct.Struct(">hhih")
_PRODUCE_START = struct.Struct(">Bhi")
_FETCH_START = struct.Struct(">iiiib")
_FETCH_PARTITION = struct.Struct(">iiqiqi")
_FETCHED = struct.Struct(">ihqqqBi")
_PRODUCED = struct.Struct(">ihqqq")
_BUFFER_BYTES = 16 << 20
_ACKS_ALL = -1

Parts = list[bytes | memoryview]


class BaselineLogs(Protocol):
    """In this process, or behind gRPC."""

    def append(
        self, log: Log, batch: bytes | memoryview, *, must_sync: bool
    ) -> "asyncio.Future[int]": ...

    async def fetch(
        self, topic: bytes, positions: Sequence[tuple[int, int, int]], max_wait_ms: int
    ) -> list[tuple[int, Sequence[bytes | memoryview]]]:
        """High watermark and batches for each (partition, offset, max bytes)."""
        ...


class Connection(asyncio.BufferedProtocol):
    def __init__(self, logs: BaselineLogs) -> None:
        self._logs = logs
        self._loop = asyncio.get_running_loop()
        self._own = memoryview(bytearray(_BUFFER_BYTES))
        self._filled = 0
        #: Answers under way, oldest first, and what they become.
        self._due: deque[tuple[int, asyncio.Future[int], bytes]] = deque()
        self._flush_is_due = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._own[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        filled, own, at = self._filled + nbytes, self._own, 0
        while filled - at >= 4:
            end = at + 4 + int.from_bytes(own[at : at + 4], "big")
            if end > filled:
                break
            self._request(bytes(own[at + 4 : end]))
            at = end
        own[: filled - at] = own[at:filled]
        self._filled = filled - at

    def _request(self, frame: bytes) -> None:
        key, _, correlation_id, client_id = _HEADER.unpack_from(frame)
        at = _HEADER.size + client_id + 1
        if key == _PRODUCE:
            self._produce(frame, at, correlation_id)
        elif key == _FETCH:
            self._send_later(correlation_id, self._fetch(frame, at))
        elif key == _API_VERSIONS:
            self._send(correlation_id, [bytes(6)])
        else:
            # CreateTopics is not flexible: its body begins a byte earlier.
            self._send(correlation_id, [_created(frame, at - 1)])

    def _produce(self, frame: bytes, at: int, correlation_id: int) -> None:
        _, acks, _ = _PRODUCE_START.unpack_from(frame, at)
        name_start = at + 9
        name_end = name_start + frame[at + 8] - 1
        topic = frame[name_start:name_end]
        (partition,) = struct.unpack_from(">i", frame, name_end + 1)
        size, start = _read_uvarint(frame, name_end + 5)
        batch = memoryview(frame)[start : start + size - 1]
        stored = self._logs.append((topic, partition), batch, must_sync=acks == _ACKS_ALL)
        head = b"\0\2" + frame[at + 8 : name_end] + b"\2" + struct.pack(">i", partition)
        self._due.append((correlation_id, stored, head))
        stored.add_done_callback(self._stored)

    def _stored(self, _: object) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        due = self._due
        parts: Parts = []
        while due and due[0][1].done():
            correlation_id, stored, head = due.popleft()
            # Error, base offset, no append time, log start; no errors, no message, tags, throttle.
            numbers = struct.pack(">hqqqBBBBiB", 0, stored.result(), -1, 0, 1, 0, 0, 0, 0, 0)
            size = 4 + len(head) + len(numbers)
            parts.append(struct.pack(">ii", size, correlation_id) + head + numbers)
        self._transport.writelines(parts)

    def _send_later(self, correlation_id: int, response: Awaitable[Parts]) -> None:
        async def work() -> None:
            self._send(correlation_id, await response)

        self._loop.create_task(work())

    def _send(self, correlation_id: int, parts: Parts) -> None:
        size = 4 + sum(map(len, parts))
        self._transport.writelines([struct.pack(">ii", size, correlation_id), *parts])

    async def _fetch(self, frame: bytes, at: int) -> Parts:
        _, max_wait_ms, _, _, _ = _FETCH_START.unpack_from(frame, at)
        at += _FETCH_START.size + 8 + 1
        size, start = _read_uvarint(frame, at)
        topic = frame[start : start + size - 1]
        count, at = _read_uvarint(frame, start + size - 1)
        positions = []
        for _ in range(count - 1):
            partition, _, offset, _, _, bytes_max = _FETCH_PARTITION.unpack_from(frame, at)
            positions.append((partition, offset, bytes_max))
            at += _FETCH_PARTITION.size + 1
        results = await self._logs.fetch(topic, positions, max_wait_ms)
        parts: Parts = [b"\0" + struct.pack(">ihi", 0, 0, 0) + b"\2" + uvarint(size) + topic]
        parts.append(uvarint(count))
        for (partition, _, _), (high_watermark, batches) in zip(positions, results, strict=True):
            fixed = (partition, 0, high_watermark, high_watermark, 0, 1, -1)
            parts.append(_FETCHED.pack(*fixed) + uvarint(1 + sum(map(len, batches))))
            parts += batches
            parts.append(b"\0")
        parts.append(b"\0\0")
        return parts


def _created(frame: bytes, at: int) -> bytes:
    (size,) = struct.unpack_from(">h", frame, at + 4)
    name = frame[at + 4 : at + 6 + size]
    # Throttle time, one topic, its name, no error, no message.
    return struct.pack(">ii", 0, 1) + name + struct.pack(">hh", 0, -1)


def _read_uvarint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
