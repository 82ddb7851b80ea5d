"""A DNS server (RFC 1035) on loopback that returns one IPv4 address, which a test can change.

gRPC uses it for targets that begin with `dns://ADDRESS/`, so no test has to change resolv.conf.
"""

import socket
import struct
import threading

_HEADER = struct.Struct(">HHHHHH")
_ANSWER = struct.Struct(">HHHIH")
_A, _IN = 1, 1
_RESPONSE = 0x8180  # recursion desired and available, no error
_NAME_AT_12 = 0xC00C  # a pointer to the name in the question
_TTL_S = 0


class NameServer:
    """Use it in a `with`. `host` is the address of every name; `queries` counts A queries."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.queries = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def target(self, name: str, port: int) -> str:
        """Target string for gRPC."""
        host, own_port = self._socket.getsockname()
        return f"dns://{host}:{own_port}/{name}:{port}"

    def __enter__(self) -> "NameServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        address = self._socket.getsockname()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", address)
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(512)
            if not query:
                return
            self._socket.sendto(self._respond(query), client)

    def _respond(self, query: bytes) -> bytes:
        end = query.index(b"\0", _HEADER.size) + 5  # the name, its type and class
        question = query[_HEADER.size : end]
        kind = int.from_bytes(question[-4:-2], "big")
        answers = b""
        if kind == _A:
            self.queries += 1
            answers = _ANSWER.pack(_NAME_AT_12, _A, _IN, _TTL_S, 4) + socket.inet_aton(self.host)
        head = _HEADER.pack(int.from_bytes(query[:2], "big"), _RESPONSE, 1, bool(answers), 0, 0)
        return head + question + answers
