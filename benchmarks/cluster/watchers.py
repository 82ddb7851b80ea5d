"""Simulated gateways and partition services: real watches over gRPC, and nothing behind them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from common.cluster.follow import follow
from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Endpoint, Gateway, Member, Registration
from common.ports.moves import Move, MovePhase
from common.rpc.channels import open_channel
from common.rpc.messages.metadata import change_to_message
from common.rpc.metadata_client import GrpcMetadata
from common.rpc.ring_client import GrpcRing

#: A topic's id and a partition.
Moved = tuple[bytes, int]


class Watcher:
    """Watcher on a connection of its own that applies each change, as services do."""

    def __init__(self, address: str, registration: Registration) -> None:
        self.view = ClusterView()
        self.changes: list[ClusterChange] = []
        #: When this one saw a partition's new owner, by time.perf_counter().
        self.placed_at: dict[Moved, float] = {}
        self._registration = registration
        self._channel = open_channel(address)
        self._metadata = GrpcMetadata(self._channel)
        self._applied = asyncio.Condition()
        self._following: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._following = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        await self._end_watch()
        await self._channel.close()

    async def until(self, holds: Callable[[ClusterView], bool]) -> float:
        """Time at which the view first did so, by time.perf_counter()."""
        async with self._applied:
            await self._applied.wait_for(lambda: holds(self.view))
        return time.perf_counter()

    async def until_placed(self, partitions: int) -> None:
        """Waits until this many partitions have a new owner in the view."""
        await self.until(lambda _: len(self.placed_at) >= partitions)

    def applied(self, change: ClusterChange) -> None:
        """Reacts to a change as the simulated service does; a gateway does nothing."""

    async def _follow(self) -> None:
        await follow(self._metadata, self._registration, self._apply)

    async def _apply(self, change: ClusterChange) -> None:
        self.changes.append(change)
        self.view.apply(change)
        now = time.perf_counter()
        for item in change.placements:
            self.placed_at[item.topic_id, item.partition] = now
        self.applied(change)
        async with self._applied:
            self._applied.notify_all()

    async def _end_watch(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])


def wire_bytes(change: ClusterChange) -> int:
    """Bytes of a change sent to one watcher, without gRPC's framing."""
    return change_to_message(change, lease_ms=9_000).ByteSize()


def gateway(address: str, node_id: int) -> Watcher:
    return Watcher(address, Gateway(node_id, (Endpoint("PLAINTEXT", f"gateway-{node_id}", 9092),)))


class SimulatedMember(Watcher):
    """A partition service without logs: does the steps of its moves, but copies nothing."""

    def __init__(self, address: str, name: str) -> None:
        self.member = Member(name, f"{name}:9292", f"volume of {name}", 1)
        super().__init__(address, self.member)
        #: Time at which it requested COMMIT of a partition that moves to it.
        self.committed_at: dict[Moved, float] = {}
        self._ring = GrpcRing(self._channel)
        self._begun: set[tuple[int, bool]] = set()
        self._steps: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        for step in self._steps:
            step.cancel()
        await asyncio.gather(*self._steps, return_exceptions=True)
        await super().stop()

    async def come_back(self, address: str) -> None:
        """Registers again, as after a restart on another address."""
        await self._end_watch()
        self.member = replace(self.member, address=address, incarnation=self.member.incarnation + 1)
        self._registration = self.member
        self.start()

    def applied(self, change: ClusterChange) -> None:
        for move in change.moves:
            if move.target == self.member.name and move.phase < MovePhase.COMMIT:
                self._once(move, self._receive)
            if move.source == self.member.name and move.phase is MovePhase.COMMIT:
                self._once(move, self._clean)

    def _once(self, move: Move, step: Callable[[Move], Awaitable[None]]) -> None:
        begun = (move.move_id, move.target == self.member.name)
        if begun not in self._begun:
            self._begun.add(begun)
            task = asyncio.ensure_future(step(move))
            self._steps.add(task)
            task.add_done_callback(self._steps.discard)

    async def _receive(self, move: Move) -> None:
        await self._ring.advance_move(move.move_id, MovePhase.CATCH_UP)
        await self._ring.advance_move(move.move_id, MovePhase.FENCE)
        self.committed_at[move.topic_id, move.partition] = time.perf_counter()
        await self._ring.advance_move(move.move_id, MovePhase.COMMIT)

    async def _clean(self, move: Move) -> None:
        await self._ring.end_move(move.move_id)
