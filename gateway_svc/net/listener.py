"""A named address that clients connect to."""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final

_BACKLOG: Final = 1024


class CannotListen(Exception):
    """The address is taken, or is not one of this machine."""


class Listener:
    """Binds first, so that its port is known and can be told to others; accepts from `start` on."""

    def __init__(self, name: str, host: str, port: int) -> None:
        """`host` "" means every address of the machine; `port` 0 takes a free one."""
        self.name = name
        self.host = host
        self.port = port
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []

    async def bind(self) -> None:
        """Takes the address; connections are refused until `start`.

        Raises:
            CannotListen: taken, or not an address of this machine.
        """
        try:
            for family, address in await self._addresses():
                self._bind_one(family, address)
        except OSError as error:
            self.close()
            raise CannotListen(
                f"cannot listen on {self.host or '*'}:{self.port} ({self.name}): {error.strerror}"
            ) from error

    async def start(self, make_protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        """Accepts connections; each gets a protocol of its own."""
        loop = asyncio.get_running_loop()
        while self._sockets:
            self._servers.append(
                await loop.create_server(make_protocol, sock=self._sockets.pop(0), backlog=_BACKLOG)
            )

    def close(self) -> None:
        """Accepts no more. Connections that are open stay open."""
        for one in self._sockets:
            one.close()
        self._sockets.clear()
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def _addresses(self) -> list[tuple[int, str]]:
        """Family and address of everything that `host` stands for."""
        found = await asyncio.get_running_loop().getaddrinfo(
            self.host or None, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        unique = dict.fromkeys((int(family), str(address[0])) for family, *_, address in found)
        return sorted(unique, key=lambda one: one[0] != socket.AF_INET)

    def _bind_one(self, family: int, address: str) -> None:
        try:
            self._bind_socket(family, address)
        except OSError as error:
            # IPv6 comes second and is looked up on machines that have it switched off, too.
            is_missing = error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
            if family == socket.AF_INET or not self._sockets or not is_missing:
                raise

    def _bind_socket(self, family: int, address: str) -> None:
        one = socket.socket(family, socket.SOCK_STREAM)
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # IPv4 has a socket of its own.
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            one.bind((address, self.port))
        except OSError:
            one.close()
            raise
        self._sockets.append(one)
        # All addresses of one listener share a port, a free one too.
        self.port = one.getsockname()[1]
