"""Reserved ports, for processes that must restart on the same address."""

import socket


class ReservedPort:
    """A free loopback port, reserved until `release`.

    The holding socket is bound and never listens: a server with SO_REUSEADDR or SO_REUSEPORT may
    bind beside it repeatedly, while the kernel never assigns the port as an ephemeral one.
    """

    def __init__(self) -> None:
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._holder.bind(("127.0.0.1", 0))
        self.port: int = self._holder.getsockname()[1]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def release(self) -> None:
        self._holder.close()
