"""A listener: a named address that clients connect to."""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final

_BACKLOG: Final = 1024


class CannotListen(Exception):
    """Raised when an address is in use, or is not an address of this machine."""


class Listener:
    """Binds before it accepts, so that its port is known and can be registered first."""

    def __init__(self, name: str, host: str, port: int) -> None:
        """`host` "" stands for all addresses of the machine, `port` 0 for a free port."""
        self.name = name
        self.host = host
        self.port = port
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []

    async def bind(self) -> None:
        """Binds the address; connections are refused until `start`.

        Raises:
            CannotListen: the address is in use, or is not an address of this machine.
        """
        try:
            for family, address in await self._addresses():
                self._bind_address(family, address)
        except OSError as error:
            self.close()
            raise CannotListen(
                f"cannot listen on {self.host or '*'}:{self.port} ({self.name}): {error.strerror}"
            ) from error

    async def start(self, make_protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        """Accepts connections, each with a new protocol."""
        loop = asyncio.get_running_loop()
        while self._sockets:
            self._servers.append(
                await loop.create_server(make_protocol, sock=self._sockets.pop(0), backlog=_BACKLOG)
            )

    def close(self) -> None:
        """Stops accepting connections; those that are open stay open."""
        for bound in self._sockets:
            bound.close()
        self._sockets.clear()
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def _addresses(self) -> list[tuple[int, str]]:
        """Returns family and address of each address that `host` stands for, IPv4 first."""
        found = await asyncio.get_running_loop().getaddrinfo(
            self.host or None, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        unique = dict.fromkeys((int(family), str(address[0])) for family, *_, address in found)
        return sorted(unique, key=lambda pair: pair[0] != socket.AF_INET)

    def _bind_address(self, family: int, address: str) -> None:
        try:
            self._bind_socket(family, address)
        except OSError as error:
            # IPv6 comes second, and is resolved even on machines where it is disabled.
            is_missing = error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
            if family == socket.AF_INET or not self._sockets or not is_missing:
                raise

    def _bind_socket(self, family: int, address: str) -> None:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # IPv4 has its own socket.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            sock.bind((address, self.port))
        except OSError:
            sock.close()
            raise
        self._sockets.append(sock)
        # All addresses of a listener share a port, also if the first bind chose it.
        self.port = sock.getsockname()[1]
