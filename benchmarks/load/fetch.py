"""Fetch at full speed: receives into one buffer, walks over the batches, sends the next Fetch."""

import asyncio
from collections.abc import Callable
from typing import cast

from benchmarks.load import requests, responses
from benchmarks.load.responses import WrongResponse

#: Called for each run of batches: partition, first offset, offset after the last.
OnRecords = Callable[[int, int, int], None]


class FetchLoad(asyncio.BufferedProtocol):
    """Keeps one Fetch outstanding, from the offsets where the last one ended.

    With `rewind` it starts again at offset 0 after it has read all records. `cuts_batches`: the
    broker may cut the last batch of a partition; only complete batches are counted.
    """

    def __init__(
        self,
        request: requests.FetchRequest,
        *,
        response_bytes_max: int,
        rewind: bool = False,
        cuts_batches: bool = False,
        on_records: OnRecords | None = None,
    ) -> None:
        self.completed = 0
        self.record_bytes = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._offsets = [0] * request.partition_count
        self._rewind = rewind
        self._cuts_batches = cuts_batches
        self._on_records = on_records
        self._buffer = memoryview(bytearray(response_bytes_max))
        self._filled = 0
        self._stopping = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(bytes(self._request.frame))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        if self._filled < 4:
            return
        response_bytes = 4 + int.from_bytes(self._buffer[:4], "big")
        if self._filled >= response_bytes:
            self._filled = 0
            self._on_response(self._buffer[:response_bytes])

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the broker closed the connection"))

    def stop(self) -> None:
        """Stops after the outstanding response."""
        self._stopping = True

    def _on_response(self, response: memoryview) -> None:
        try:
            for fetched in responses.fetched_partitions(response):
                self._on_partition(response, fetched)
        except WrongResponse as wrong:
            self.done.set_exception(wrong)
        else:
            self.completed += 1
            if not self._stopping:
                self._transport.write(bytes(self._request.frame))
                return
            self.done.set_result(None)
        self._transport.close()

    def _on_partition(self, response: memoryview, fetched: responses.FetchedPartition) -> None:
        partition, high_watermark, start, end = fetched
        if self._cuts_batches:
            end = responses.complete_batches_end(response, start, end)
        first = self._offsets[partition]
        after = responses.walk_batches(response, start, end, first)
        self.record_bytes += end - start
        if self._on_records and after > first:
            self._on_records(partition, first, after)
        if self._rewind and after >= high_watermark:
            after = 0
        self._offsets[partition] = after
        self._request.seek(partition, after)
