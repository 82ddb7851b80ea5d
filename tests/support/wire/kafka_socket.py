"""A Kafka connection that sends and reads frames; it adds only their lengths."""

import itertools
import socket
import struct
from typing import Self

#: Limit of a wait for a response; nothing depends on its value.
ANSWER_WITHIN_S = 30.0


class KafkaSocket:
    """One TCP connection; use it in a `with`."""

    def __init__(self, address: str, *, receive_buffer_bytes: int | None = None) -> None:
        host, port = address.rsplit(":", 1)
        self.socket = socket.socket()
        if receive_buffer_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.settimeout(ANSWER_WITHIN_S)
        try:
            self.socket.connect((host, int(port)))
        except OSError:
            self.socket.close()
            raise
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._correlation_ids = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Closes with RST in place of FIN, as a machine that crashed and restarted."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def next_correlation_id(self) -> int:
        return next(self._correlation_ids)

    def send_bytes(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_frame(self, frame: bytes) -> None:
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)

    def read_frame(self) -> bytes:
        """Reads a frame without its length; `ConnectionError` if the broker closed."""
        (length,) = struct.unpack(">i", self._read(4))
        return self._read(length)

    def _read(self, length: int) -> bytes:
        data = bytearray(length)
        view = memoryview(data)
        while view:
            received = self.socket.recv_into(view)
            if not received:
                raise ConnectionError("closed by the broker")
            view = view[received:]
        return bytes(data)

    def wait_until_closed(self) -> bytes:
        """Returns the bytes sent before the broker closed; `TimeoutError` if it does not close."""
        received = bytearray()
        try:
            while data := self.socket.recv(65536):
                received += data
        except ConnectionError:
            pass
        return bytes(received)


def request_header_v1(
    api_key: int, api_version: int, correlation_id: int, client_id: str | None = "tests"
) -> bytes:
    """Returns the header of a non-flexible request (RequestHeader.json, version 1)."""
    name = (
        b"\xff\xff" if client_id is None else struct.pack(">h", len(client_id)) + client_id.encode()
    )
    return struct.pack(">hhi", api_key, api_version, correlation_id) + name
