"""The partition services by name: connected when first needed, and again where they moved."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, Protocol

from common.cluster_view import ClusterView
from common.ports.partitions import Partitions


class OwnedPartitions(Partitions, Protocol):
    """One owner's logs, over a connection."""

    async def close(self) -> None: ...


class _Connected(NamedTuple):
    address: str
    partitions: OwnedPartitions


class Owners:
    """`connect` makes the connection to an owner from its name and its address (host:port)."""

    def __init__(self, view: ClusterView, connect: Callable[[str, str], OwnedPartitions]) -> None:
        self._view = view
        self._connect = connect
        self._connected: dict[str, _Connected] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def named(self, name: str) -> Partitions | None:
        """The owner of that name at its present address; None where it was never heard of."""
        member = self._view.member(name)
        if member is None:
            return None
        known = self._connected.get(name)
        if known is not None and known.address == member.address:
            return known.partitions
        if known is not None:
            self._close_soon(known.partitions.close())
        partitions = self._connect(name, member.address)
        self._connected[name] = _Connected(member.address, partitions)
        return partitions

    def all(self) -> list[Partitions]:
        found = (self.named(member.name) for member in self._view.members)
        return [one for one in found if one is not None]

    async def close(self) -> None:
        """Ends all connections; what has no answer yet fails."""
        for known in self._connected.values():
            self._close_soon(known.partitions.close())
        self._connected.clear()
        if self._closing:
            await asyncio.wait(self._closing)

    def _close_soon(self, closing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
