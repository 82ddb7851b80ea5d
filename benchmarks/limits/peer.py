"""The other end of the raw measurements: `python -m benchmarks.limits.peer sink | echo | canned …`.

Prints its port, serves one kind of trivial response, ends on SIGTERM. `canned TOPIC RECORDS`
responds to Produce requests of the load client and stores nothing, which shows the client's limit.
"""

import asyncio
import socket
import struct
import sys
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import cast

import uvloop

from benchmarks.load import requests, responses

BUFFER_BYTES = 1 << 20
_MARK = 0x7E57_AB1E


def _sink(connection: socket.socket) -> None:
    """Reads until the other side has finished, then sends one byte."""
    buffer = bytearray(BUFFER_BYTES)
    while connection.recv_into(buffer):
        pass
    connection.sendall(b"!")


def _echo(connection: socket.socket) -> None:
    """Sends all received bytes back."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := connection.recv(BUFFER_BYTES):
        connection.sendall(data)


def _serve_threads(handle: Callable[[socket.socket], None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection, _ = server.accept()
            threading.Thread(target=handle, args=(connection,), daemon=True).start()


class _Canned(asyncio.BufferedProtocol):
    """Responds to every Produce frame with the next offset of its partition, unchecked."""

    def __init__(self, topic: str, next_offsets: dict[int, int], records_per_batch: int) -> None:
        self._next = next_offsets
        self._records = records_per_batch
        self._layout = responses.produce_response(topic)
        empty = requests.produce(topic, _MARK, b"", acks=1, correlation_id=0)
        self._partition_at = empty.index(struct.pack(">i", _MARK))
        self._filled = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._own = memoryview(bytearray(16 << 20))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._own[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        filled, own, at = self._filled + nbytes, self._own, 0
        frames = []
        while filled - at >= 4:
            end = at + 4 + int.from_bytes(own[at : at + 4], "big")
            if end > filled:
                break
            frames.append(self._respond(own, at))
            at = end
        own[: filled - at] = own[at:filled]
        self._filled = filled - at
        self._transport.write(b"".join(frames))

    def _respond(self, frame: memoryview, at: int) -> bytes:
        (correlation_id,) = struct.unpack_from(">i", frame, at + 8)
        (partition,) = struct.unpack_from(">i", frame, at + self._partition_at)
        offset = self._next[partition]
        self._next[partition] = offset + self._records
        return self._layout.pack(self._layout.size - 4, correlation_id, partition, 0, offset)


async def _serve_canned(topic: str, records_per_batch: int) -> None:
    loop = asyncio.get_running_loop()
    next_offsets: dict[int, int] = defaultdict(int)
    server = await loop.create_server(
        lambda: _Canned(topic, next_offsets, records_per_batch), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main(kind: str, topic: str = "", records_per_batch: str = "1") -> None:
    if kind == "canned":
        uvloop.run(_serve_canned(topic, int(records_per_batch)))
    else:
        _serve_threads({"sink": _sink, "echo": _echo}[kind])


if __name__ == "__main__":
    main(*sys.argv[1:])
