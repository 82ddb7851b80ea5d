"""Members that move logs between them over real gRPC, and a ring that sends them its changes.

Everything except the metadata service is real. A member that "crashes" continues from a copy of its
directory at that moment, as after a killed process.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from common.ports.metadata import ClusterChange, Member, Placement, PlacementChange, Topic
from common.ports.moves import MemberProcess, Move, MovePhase
from common.ports.partitions import ACKS_ALL, Append, LogId, Refusal
from common.rpc.server import RpcServer
from partition_svc.config import PartitionSettings
from partition_svc.moves.runner import MoveRunner
from partition_svc.moves.source_connection import SourceConnection, SourceConnections
from partition_svc.partitions import LocalPartitions
from partition_svc.rpc.moving_servicer import MovingServicer, service
from partition_svc.store.log_store import LogStore
from tests.support.stores.crash_copies import copy_open_store
from tests.support.stores.partition_core import CLUSTER_ID, LOG, TOPIC_ID, batch

SOURCE, TARGET = "partition-0", "partition-1"

#: Errors that a caller retries, because the log moves to another member.
_RETRIABLE = (
    Refusal.NOT_OWNER,
    Refusal.MOVING,
    Refusal.FENCED_LEADER_EPOCH,
    Refusal.UNKNOWN_LEADER_EPOCH,
    Refusal.KAFKA_STORAGE_ERROR,
)


class NotifyingRing:
    """Records steps of moves as the metadata service does, and notifies all members at once."""

    def __init__(self, *, partitions: int = 4, leader_epoch: int = 5) -> None:
        self.placements = [Placement(SOURCE, leader_epoch)] * partitions
        self.moves: dict[int, Move] = {}
        self.members: dict[str, Member] = {}
        self.listeners: dict[str, Callable[[ClusterChange], None]] = {}
        self.has_topic = True
        self.ended: list[int] = []
        #: The calling process of each call that changes a move.
        self.processes: list[MemberProcess | None] = []
        self._revision = 0
        self._move_ids = 0

    def placement(self, log: LogId = LOG) -> Placement:
        return self.placements[log.partition]

    def join(self, member: Member, listener: Callable[[ClusterChange], None]) -> None:
        self.members[member.name] = member
        self._publish(members=[member])
        self.listeners[member.name] = listener
        listener(self.snapshot())

    def snapshot(self) -> ClusterChange:
        topic = Topic(TOPIC_ID, "moving", tuple(self.placements))
        return ClusterChange(
            self._revision,
            CLUSTER_ID,
            is_snapshot=True,
            topics=[topic] if self.has_topic else [],
            members=list(self.members.values()),
            moves=list(self.moves.values()),
        )

    def begin(self, log: LogId = LOG, source: str = SOURCE, target: str = TARGET) -> Move:
        self._move_ids += 1
        epoch = self.placement(log).leader_epoch
        move = Move(self._move_ids, *log, source, target, epoch, MovePhase.PREPARE)
        self._record(move)
        return move

    def roll_back(self, move_id: int) -> None:
        move = self.moves.pop(move_id)
        placements = []
        if move.phase is MovePhase.FENCE:
            placements = [self._place(move, move.source)]
        self._publish(placements=placements, ended_moves=[move_id])

    def replace_owner(self, move_id: int, owner: str, *, is_cleaned: bool = True) -> None:
        """Gives the log to another owner after the old owner's copy was lost.

        If the source still has to clean up, the record of the move stays.
        """
        move = self.moves[move_id]
        if is_cleaned:
            del self.moves[move_id]
        self._publish(
            placements=[self._place(move, owner)], ended_moves=[move_id] if is_cleaned else []
        )

    def delete_topic(self) -> None:
        move_ids = list(self.moves)
        self.moves.clear()
        self.has_topic = False
        self._publish(deleted_topics=[TOPIC_ID], ended_moves=move_ids)

    async def advance_move(
        self, move_id: int, phase: MovePhase, *, process: MemberProcess | None = None
    ) -> Move | None:
        self.processes.append(process)
        move = self.moves.get(move_id)
        if move is None:
            return None
        if phase > move.phase:
            assert phase is not MovePhase.COMMIT or move.phase is MovePhase.FENCE
            is_committed = phase is MovePhase.COMMIT
            placements = [self._place(move, move.target)] if is_committed else []
            self._record(replace(move, phase=phase), placements)
        return self.moves[move_id]

    async def end_move(self, move_id: int, *, process: MemberProcess | None = None) -> None:
        self.processes.append(process)
        self.ended.append(move_id)
        if self.moves.pop(move_id, None) is not None:
            self._publish(ended_moves=[move_id])

    def _place(self, move: Move, owner: str) -> PlacementChange:
        placement = Placement(owner, self.placements[move.partition].leader_epoch + 1)
        self.placements[move.partition] = placement
        return PlacementChange(move.topic_id, move.partition, placement)

    def _record(self, move: Move, placements: list[PlacementChange] | None = None) -> None:
        self.moves[move.move_id] = move
        self._publish(moves=[move], placements=placements or [])

    def _publish(self, **changed: object) -> None:
        self._revision += 1
        change = ClusterChange(self._revision, CLUSTER_ID, **changed)  # type: ignore[arg-type]
        for listener in tuple(self.listeners.values()):
            listener(change)


class MovingMember:
    """The core of a partition service, with its gRPC server."""

    def __init__(self, name: str, folder: Path, ring: NotifyingRing, **settings: object) -> None:
        self.name = name
        self.folder = folder
        self._ring = ring
        values = {"member": name, "move_copy_retention_ms": 0, **settings}
        self._settings = PartitionSettings(**values)  # type: ignore[arg-type]

    async def start(self) -> None:
        self.store = LogStore(self.folder, flush_bytes=1 << 20)
        self.core = LocalPartitions(self.store, self._settings)
        self.core.start()
        self.sources = SourceConnections(self.core.view, SourceConnection)
        self.mover = MoveRunner(
            self.core,
            self._ring,
            self.sources,
            member=self.name,
            bytes_per_second=self._settings.move_bytes_per_second,
            kept_s=self._settings.move_copy_retention_ms / 1000,
        )
        self.servicer = MovingServicer(self.core.outgoing)
        self._server = RpcServer([service(self.servicer)], address="127.0.0.1:0")
        await self._server.start()
        self._moving = asyncio.create_task(self.mover.run())
        address = f"127.0.0.1:{self._server.port}"
        self._ring.join(Member(self.name, address), self._apply)

    async def stop(self) -> None:
        self._ring.listeners.pop(self.name, None)
        self._moving.cancel()
        with suppress(asyncio.CancelledError):
            await self._moving
        await self._server.stop(grace_s=0)
        await self.sources.close()
        await self.core.close()

    async def crash(self) -> None:
        """Crashes the member: the next start finds the disk as it is now."""
        copy = self.folder.with_name(self.folder.name + "+")
        copy_open_store(self.folder, copy)
        self.folder = copy
        await self.stop()

    def _apply(self, change: ClusterChange) -> None:
        self.core.apply(change)
        self.mover.on_change()


@asynccontextmanager
async def moving_members(
    folder: Path, ring: NotifyingRing, **settings: object
) -> AsyncIterator[tuple[MovingMember, MovingMember]]:
    """Source and target of a move."""
    members = [MovingMember(name, folder / name, ring, **settings) for name in (SOURCE, TARGET)]
    for member in members:
        await member.start()
    try:
        yield members[0], members[1]
    finally:
        for member in members:
            await member.stop()


class Producer:
    """An idempotent producer that sends a batch until it is acknowledged."""

    def __init__(
        self, ring: NotifyingRing, members: tuple[MovingMember, ...], *, producer_id: int
    ) -> None:
        self._ring = ring
        self._members = {member.name: member for member in members}
        self._producer_id = producer_id
        self.log = LOG
        #: Base offset of each batch, by its sequence.
        self.acknowledged: dict[int, int] = {}

    def batch(self, sequence: int) -> bytes:
        size = 20 + sequence * 7919 % 3000
        return batch(size=size, start=sequence, producer=(self._producer_id, 0, sequence))

    async def send(self) -> int:
        """Sends the next batch; returns its offset."""
        sequence = len(self.acknowledged)
        while True:
            owner, leader_epoch = self._ring.placement(self.log)
            request = Append(self.log, self.batch(sequence), leader_epoch)
            core = self._members[owner].core
            (result,) = await core.append([request], acks=ACKS_ALL)
            if result.refusal is None:
                self.acknowledged[sequence] = result.base_offset
                return result.base_offset
            assert result.refusal in _RETRIABLE, result
            await asyncio.sleep(0.001)

    async def send_for_ever(self) -> None:
        while True:
            await self.send()


class Failpoints:
    """Replaces `reach` in the modules of moves: callers wait at failpoints that a test holds."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self._held: dict[str, asyncio.Event] = {}

    def hold(self, name: str) -> None:
        self._held[name] = asyncio.Event()

    def release(self, name: str) -> None:
        self._held.pop(name).set()

    async def reach(self, name: str) -> None:
        self.reached.append(name)
        if name in self._held:
            await self._held[name].wait()
