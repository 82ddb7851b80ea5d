"""A pool of connections to partition services, by the name of the member.

A member is connected when it is first needed, and again when it registered at another address.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from common.cluster.view import ClusterView
from common.ports.metadata import Member
from common.ports.unavailable import BackendUnavailable


class MemberConnection(Protocol):
    """A connection to one member at one address."""

    @property
    def is_lost(self) -> bool:
        """True if there is no connection, and none is expected within moments."""
        ...

    def abandon(self, error: BackendUnavailable) -> None:
        """Fails requests without a response, before another connection replaces this one."""
        ...

    async def close(self) -> None: ...


ConnectionT = TypeVar("ConnectionT", bound=MemberConnection)


class _PooledConnection(NamedTuple, Generic[ConnectionT]):
    member: Member  # its last registration for which the connection was made or kept
    connection: ConnectionT


class MemberConnections(Generic[ConnectionT]):
    """Call `view_changed` after each change of `view`. To be closed."""

    def __init__(self, view: ClusterView, connect: Callable[[str, str], ConnectionT]) -> None:
        """`connect` makes a connection from a member's name and its address (host:port)."""
        self._view = view
        self._connect = connect
        self._pool: dict[str, _PooledConnection[ConnectionT]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def get(self, name: str) -> ConnectionT | None:
        """Returns the connection to a member, a new one if needed; None if it is unknown."""
        pooled = self._pool.get(name)
        if pooled is not None:
            return pooled.connection
        member = self._view.member(name)
        return None if member is None else self._open(member)

    def existing(self, name: str) -> ConnectionT | None:
        """Returns the connection to a member if there is one."""
        pooled = self._pool.get(name)
        return None if pooled is None else pooled.connection

    def all(self) -> list[ConnectionT]:
        """Returns connections to all members of the view."""
        connections = (self.get(member.name) for member in self._view.members)
        return [connection for connection in connections if connection is not None]

    def view_changed(self) -> None:
        """Replaces the connections to members that registered at another address.

        The connection to a member that registered again at its old address is replaced if it is
        lost: gRPC may be in a delay between attempts, and the name may resolve differently now.
        """
        for name, pooled in [*self._pool.items()]:
            member = self._view.member(name)
            if member is None or member == pooled.member:
                continue
            if member.address != pooled.member.address or pooled.connection.is_lost:
                # Pending requests fail before anything is sent over the new connection.
                pooled.connection.abandon(BackendUnavailable(f"{name} is at {member.address} now"))
                self._close_soon(pooled.connection.close())
                self._open(member)
            else:
                self._pool[name] = _PooledConnection(member, pooled.connection)

    async def close(self) -> None:
        """Closes all connections; requests without a response fail."""
        for pooled in self._pool.values():
            self._close_soon(pooled.connection.close())
        self._pool.clear()
        if self._closing:
            await asyncio.wait(self._closing)

    def _open(self, member: Member) -> ConnectionT:
        connection = self._connect(member.name, member.address)
        self._pool[member.name] = _PooledConnection(member, connection)
        return connection

    def _close_soon(self, closing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
