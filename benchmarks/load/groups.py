"""One request again and again over many connections, each the next when the last was answered.

The request is encoded once and sent as it is, its correlation id too, and an answer is compared
with the first: what the client costs, which shares the machine, is reported beside the rest.
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
    """Answers a second; and CPU time of the broker's processes, and of the client, for each."""

    per_second: float
    broker_cpu_us: float
    client_cpu_us: float

    @property
    def per_core(self) -> float:
        return 1e6 / self.broker_cpu_us


class _Asker(asyncio.Protocol):
    def __init__(self, frame: bytes) -> None:
        self.count = 0
        self.wrong: bytes | None = None
        self._frame = frame
        self._expected = b""
        self._got = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asyncio's own class where the loop is another.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._frame)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if len(self._got) < 4 or len(self._got) < 4 + int.from_bytes(self._got[:4], "big"):
            return
        answer = bytes(self._got)
        self._got.clear()
        if not self._expected:
            self._expected = answer
        elif answer != self._expected:
            self.wrong = answer
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
    """A connection for each of `requests` (values as for `kio_client.message`).

    Raises:
        AssertionError: an answer was an error, or not as the first.
    """
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    askers = []
    for values in requests:
        frame = request_frame(message(*api, values), 1)
        framed = struct.pack(">i", len(frame)) + frame
        _, asker = await loop.create_connection(lambda f=framed: _Asker(f), host, int(port))  # type: ignore[misc]
        askers.append(asker)
    await asyncio.sleep(seconds / 4)
    counts, cpu, start = sum(one.count for one in askers), _cpu_s(pids), time.perf_counter()
    own = time.process_time()
    await asyncio.sleep(seconds)
    done, used = sum(one.count for one in askers) - counts, _cpu_s(pids) - cpu
    elapsed, own = time.perf_counter() - start, time.process_time() - own
    for one in askers:
        one.close()
        assert one.wrong is None, one.wrong
        # On a busy machine one may not have been answered yet.
        assert not one.first or not _error(read_response(one.first, *api)[1])
    return Rate(done / elapsed, used * 1e6 / done, own * 1e6 / done)


def _error(answer: object) -> int:
    """The first error code, of the answer or of a partition in it."""
    topics = getattr(answer, "topics", ())
    codes = [getattr(answer, "error_code", 0)]
    codes += [partition.error_code for topic in topics for partition in topic.partitions]
    return next((int(code) for code in codes if code), 0)


def _cpu_s(pids: Sequence[int]) -> float:
    """User and system time of all of them so far."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS_PER_SECOND
