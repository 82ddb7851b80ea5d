"""The partition services by name: connected when first needed, and again where they moved."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, Protocol

from common.client.append.append_batch import AppendPath, AppendTaker
from common.cluster.view import ClusterView
from common.ports.coordinators import Coordinators
from common.ports.metadata import Member
from common.ports.partitions import Partitions
from common.ports.unavailable import BackendUnavailable


class OwnedPartitions(Partitions, AppendPath, Protocol):
    """One owner's logs, over a connection, and the coordinators of its groups."""

    @property
    def coordinators(self) -> Coordinators: ...

    @property
    def ends_waits(self) -> bool:
        """Whether `FetchQuery.end_of_wait` has an effect; False until that is known."""
        ...

    def abandon(self, error: BackendUnavailable) -> None:
        """Fails what has no answer yet; another connection takes the place of this one."""
        ...

    async def close(self) -> None: ...


class _Connected(NamedTuple):
    member: Member  # as it was known when it was connected, or was found to be the same
    partitions: OwnedPartitions


#: Makes a connection from an owner's name, its address (host:port), and who takes back appends.
Connect = Callable[[str, str, AppendTaker | None], OwnedPartitions]


class Owners:
    """`taker` gets back what owners refuse; it is set before the first of them is connected."""

    def __init__(self, view: ClusterView, connect: Connect) -> None:
        self.taker: AppendTaker | None = None
        self._view = view
        self._connect = connect
        self._connected: dict[str, _Connected] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def named(self, name: str) -> OwnedPartitions | None:
        """The owner of that name; None where it was never heard of."""
        known = self._connected.get(name)
        if known is not None:
            return known.partitions
        member = self._view.member(name)
        return None if member is None else self._connect_to(member)

    def view_changed(self) -> None:
        """Connects again to members that are not where they were. Call it after each change.

        A member that came back under the same address is connected again where the old connection
        is lost: gRPC may be in a pause, and the name may lead to another address now.
        """
        for name, known in [*self._connected.items()]:
            member = self._view.member(name)
            if member is None or member == known.member:
                continue
            if member.address != known.member.address or known.partitions.is_lost:
                # What is unanswered fails before anything is sent over the new connection.
                known.partitions.abandon(BackendUnavailable(f"{name} is at {member.address} now"))
                self._close_soon(known.partitions.close())
                self._connect_to(member)
            else:
                self._connected[name] = _Connected(member, known.partitions)

    def connected(self, name: str) -> OwnedPartitions | None:
        """The owner of that name where there is a connection, old or new."""
        known = self._connected.get(name)
        return None if known is None else known.partitions

    def coordinators_of(self, name: str) -> Coordinators | None:
        """The group coordinators of that owner; None where it was never heard of."""
        owner = self.named(name)
        return None if owner is None else owner.coordinators

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

    def _connect_to(self, member: Member) -> OwnedPartitions:
        partitions = self._connect(member.name, member.address, self.taker)
        self._connected[member.name] = _Connected(member, partitions)
        return partitions

    def _close_soon(self, closing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
