"""A TCP proxy between clients and a broker that can be told to cut connections.

The broker advertises the proxy's address, so clients keep one address while the broker comes and
goes behind it. Threads and blocking sockets: slow, and easy to believe.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable


class Proxy:
    """Forwards every connection to `target` ("host:port"), which may change at any time."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.target = ""
        #: Called with each chunk of answers before it is passed on; True cuts the connection there.
        self.cut_answer: Callable[[bytes], bool] = lambda _: False
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        # A listening socket is woken from accept() by shutdown, not by close.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        self.cut_all()

    def cut_all(self) -> None:
        """Ends every connection there is, both ways, whatever is on its way."""
        with self._lock:
            connections, self._open = self._open, set()
        for connection in connections:
            _shut(connection)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                host, port = self.target.rsplit(":", 1)
                broker = socket.create_connection((host, int(port)))
            except (OSError, ValueError):
                client.close()
                continue
            with self._lock:
                self._open |= {client, broker}
            for source, sink, cut in (
                (client, broker, lambda _: False),
                (broker, client, self._is_cut),
            ):
                threading.Thread(target=self._pump, args=(source, sink, cut), daemon=True).start()

    def _is_cut(self, chunk: bytes) -> bool:
        return self.cut_answer(chunk)

    def _pump(
        self, source: socket.socket, sink: socket.socket, cut: Callable[[bytes], bool]
    ) -> None:
        try:
            while (chunk := source.recv(65536)) and not cut(chunk):
                sink.sendall(chunk)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                _shut(end)
            with self._lock:
                self._open -= {source, sink}


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
