"""A TCP proxy between clients and a broker that cuts connections on request.

The broker advertises the proxy's address, so that clients use one address across restarts of the
broker. It uses threads and blocking sockets: slow, but simple.
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
        #: Called for each chunk of responses before it is sent; True cuts the connection there.
        self.must_cut: Callable[[bytes], bool] = lambda _: False
        self._lock = threading.Lock()
        self._links: set[_Link] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        # shutdown() interrupts accept() of another thread, close() does not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        with self._lock:
            links = list(self._links)
        for link in links:
            link.cut()
            link.join()

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
                self._links.add(_Link(client, broker, lambda chunk: self.must_cut(chunk)))


class _Link:
    """One connection through the proxy: two sockets, a thread for each direction."""

    def __init__(
        self, client: socket.socket, broker: socket.socket, must_cut: Callable[[bytes], bool]
    ) -> None:
        self._ends = (client, broker)
        self._threads = [
            threading.Thread(target=self._pump, args=(client, broker, lambda _: False)),
            threading.Thread(target=self._pump, args=(broker, client, must_cut)),
        ]
        self._left = len(self._threads)
        self._lock = threading.Lock()
        for thread in self._threads:
            thread.start()

    def cut(self) -> None:
        """Closes both connections, with data in flight."""
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _pump(
        self, source: socket.socket, sink: socket.socket, must_cut: Callable[[bytes], bool]
    ) -> None:
        try:
            while (chunk := source.recv(65536)) and not must_cut(chunk):
                sink.sendall(chunk)
        except OSError:
            pass
        finally:
            self.cut()
            with self._lock:
                self._left -= 1
                is_last = not self._left
            if is_last:
                for end in self._ends:
                    end.close()
