"""Repeats a request on many connections; each sends the next one after the response.

The request is encoded once, with its correlation id, and each response is compared with the first.
The CPU time of the client is reported too, because it shares the machine.
"""

import asyncio
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tests.support.wire.kio_client import message, read_response, request_frame

_TICKS_PER_SECOND = 100


@dataclass(frozen=True, slots=True)
class Rate:
    """Responses per second, and the CPU time of the broker and of the client for each."""

    per_second: float
    broker_cpu_us: float
    client_cpu_us: float

    @property
    def per_core(self) -> float:
        return 1e6 / self.broker_cpu_us


class _Requester(asyncio.Protocol):
    def __init__(self, frame: bytes) -> None:
        self.count = 0
        self.wrong: bytes | None = None
        self._frame = frame
        self._expected = b""
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop has a transport class of its own.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._frame)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) < 4 or len(self._received) < 4 + int.from_bytes(
            self._received[:4], "big"
        ):
            return
        response = bytes(self._received)
        self._received.clear()
        if not self._expected:
            self._expected = response
        elif response != self._expected:
            self.wrong = response
            return
        self.count += 1
        assert self._transport is not None
        self._transport.write(self._frame)

    @property
    def first(self) -> bytes:
        return self._expected[4:]

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def rate(
    address: str,
    api: tuple[int, int],
    requests: Sequence[dict[str, object]],
    pids: Sequence[int],
    *,
    seconds: float,
) -> Rate:
    """Measures a connection for each of `requests` (values as for `kio_client.message`).

    Raises:
        AssertionError: a response was an error, or differed from the first.
    """
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    requesters = []
    for values in requests:
        frame = request_frame(message(*api, values), 1)
        framed = struct.pack(">i", len(frame)) + frame
        _, requester = await loop.create_connection(lambda f=framed: _Requester(f), host, int(port))  # type: ignore[misc]
        requesters.append(requester)
    await asyncio.sleep(seconds / 4)
    counts, cpu, start = (
        sum(requester.count for requester in requesters),
        _cpu_s(pids),
        time.perf_counter(),
    )
    own = time.process_time()
    await asyncio.sleep(seconds)
    done, used = sum(requester.count for requester in requesters) - counts, _cpu_s(pids) - cpu
    elapsed, own = time.perf_counter() - start, time.process_time() - own
    for requester in requesters:
        requester.close()
        assert requester.wrong is None, requester.wrong
        # On a busy machine a requester may have no response yet.
        assert not requester.first or not _error(read_response(requester.first, *api)[1])
    return Rate(done / elapsed, used * 1e6 / done, own * 1e6 / done)


def _error(response: object) -> int:
    """Returns the first error code, of the response or of a partition in it."""
    topics = getattr(response, "topics", ())
    codes = [getattr(response, "error_code", 0)]
    codes += [partition.error_code for topic in topics for partition in topic.partitions]
    return next((int(code) for code in codes if code), 0)


def _cpu_s(pids: Sequence[int]) -> float:
    """Returns the user and system time of the processes so far."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS_PER_SECOND
