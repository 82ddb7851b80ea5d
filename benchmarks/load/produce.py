"""Produce at full speed: frames are built beforehand, and each chunk of responses has one callback.

`ProduceLoad` keeps a fixed number of requests in flight on one connection and checks all responses.
It needs about 1 us per small request (see the "client alone" rows of the report), so that on few
cores it is the broker that is measured.
"""

import asyncio
import sys
from collections.abc import Sequence
from typing import cast

from benchmarks.load import requests, responses
from benchmarks.load.responses import WrongResponse


class StoredBatches:
    """Base offsets of all acknowledged batches of a topic; `check` finds lost or doubled ones."""

    def __init__(self, *, partition_count: int, records_per_batch: int) -> None:
        self.base_offsets: list[list[int]] = [[] for _ in range(partition_count)]
        self._records = records_per_batch

    def check(self) -> None:
        """Raises `WrongResponse` unless each partition's batches lie end to end from offset 0."""
        for partition, found in enumerate(self.base_offsets):
            expected = range(0, len(found) * self._records, self._records)
            if sorted(found) != list(expected):
                raise WrongResponse(f"offsets of partition {partition} are not dense")


class ProduceFrames:
    """Produce requests with correlation ids 0 … n-1, round robin over partitions, end to end.

    Written twice in a row, so that any run of up to n requests is one slice: sending needs
    neither a copy nor a patch.
    """

    def __init__(
        self, topic: str, batch: bytes, *, acks: int, partitions: Sequence[int], count: int
    ) -> None:
        self.topic = topic
        self.count = count
        frames = [
            requests.produce(
                topic, partitions[i % len(partitions)], batch, acks=acks, correlation_id=i
            )
            for i in range(count)
        ]
        self._length = len(frames[0])
        self._twice = memoryview(b"".join(frames) * 2)

    def take(self, first: int, count: int) -> memoryview:
        return self._twice[first * self._length : (first + count) * self._length]


class ProduceLoad(asyncio.Protocol):
    """Keeps `in_flight` Produce requests outstanding from the moment it is connected.

    Stops when `requests_min` requests have responses, or on `stop`.
    """

    def __init__(
        self,
        frames: ProduceFrames,
        stored: StoredBatches,
        *,
        in_flight: int,
        requests_min: int = sys.maxsize,
    ) -> None:
        self.completed = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._frames = frames
        self._stored = stored.base_offsets
        self._in_flight = in_flight
        self._requests_min = requests_min
        self._next = 0
        self._due = 0
        self._stopping = False
        self._rest = b""
        self._layout = responses.produce_response(frames.topic)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send(self._in_flight)

    def data_received(self, data: bytes) -> None:
        try:
            self._read(self._rest + data if self._rest else data)
        except WrongResponse as wrong:
            self._fail(wrong)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._fail(exc or ConnectionError("the broker closed the connection"))

    def stop(self) -> None:
        """Sends no more requests; `done` is set after the last outstanding response."""
        self._stopping = True
        self._finish_if_drained()

    def _send(self, count: int) -> None:
        self._transport.write(self._frames.take(self._next, count))
        self._next = (self._next + count) % self._frames.count

    def _read(self, data: bytes) -> None:
        size = self._layout.size
        complete = len(data) // size * size
        stored, due, count = self._stored, self._due, self._frames.count
        for length, correlation_id, partition, error, base_offset in self._layout.iter_unpack(
            memoryview(data)[:complete]
        ):
            if length != size - 4 or correlation_id != due or error:
                raise WrongResponse(
                    f"Produce {due} got {length} bytes, id {correlation_id}, error {error}"
                )
            stored[partition].append(base_offset)
            due = due + 1 if due + 1 < count else 0
        self._due = due
        self._rest = data[complete:]
        self._check_length_of_rest(size - 4)
        self._on_completed(complete // size)

    def _check_length_of_rest(self, expected: int) -> None:
        if len(self._rest) >= 4 and int.from_bytes(self._rest[:4], "big") != expected:
            raise WrongResponse(f"unexpected Produce response: {self._rest[:80].hex(' ')}")

    def _on_completed(self, count: int) -> None:
        self.completed += count
        if self._stopping:
            self._in_flight -= count
            self._finish_if_drained()
        elif self.completed >= self._requests_min:
            self._in_flight -= count
            self.stop()
        elif count:
            self._send(count)

    def _finish_if_drained(self) -> None:
        if not self._in_flight and not self.done.done():
            self.done.set_result(None)
            self._transport.close()

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
        self._transport.close()
