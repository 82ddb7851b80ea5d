"""Model partition services for simulations: they delay, refuse, move and restart.

They are behind real `AppendStreamClient`s. The records of a log are one list for all its owners,
since moves keep them; the list has the order in which appends took effect.
"""

import asyncio
from asyncio import Future
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from random import Random
from typing import Any

from common.client.append.append_call import RejectHandler
from common.client.append.append_stream import AppendStreamClient
from common.client.partitions import RoutedPartitions
from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Member, Placement, Topic
from common.ports.moves import Move, MovePhase
from common.ports.partitions import Append, AppendResult, LogId, Refusal
from common.ports.unavailable import BackendUnavailable
from common.records.sequence_gaps import producer_batch
from protos.partition.v1 import partition_pb2 as pb

TOPIC_ID = b"a topic, 16 byte"
NAMES = ("p-0", "p-1", "p-2")

#: The longest delay in the model, except for owners that are stopped.
DELAY_S_MAX = 0.05


class ModelStream:
    """The part of a gRPC stream that `AppendStreamClient` uses."""

    def __init__(self, owner: "ModelOwner") -> None:
        self._owner = owner
        self._responses: asyncio.Queue[pb.AppendResult | None] = asyncio.Queue()
        self._requests: asyncio.Queue[pb.AppendRequest] = asyncio.Queue()
        self._last: dict[int, asyncio.Task[None]] = {}  # last response, by partition
        self._tasks = {asyncio.create_task(self._work())}

    async def write(self, request: pb.AppendRequest) -> None:
        await self._owner.delay()
        self._requests.put_nowait(request)

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def fail(self) -> None:
        self.cancel()
        self._responses.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[pb.AppendResponse]:
        while True:
            result = await self._responses.get()
            if result is None:
                raise BackendUnavailable("restarted")
            yield pb.AppendResponse(results=[result])

    async def _work(self) -> None:
        while True:
            request = await self._requests.get()
            await self._owner.delay()
            for append in request.appends:
                if self._owner.is_mute:
                    continue
                result = self._owner.decide(append)
                before = self._last.get(append.partition)
                task = asyncio.create_task(self._respond(result, before))
                if result.HasField("stored"):
                    self._last[append.partition] = task
                self._tasks.add(task)

    async def _respond(self, result: pb.AppendResult, before: asyncio.Task[None] | None) -> None:
        """Responds after a random delay; results of one log's stored appends keep their order."""
        await self._owner.delay()
        if before is not None and result.HasField("stored"):
            await asyncio.wait([before])
        self._responses.put_nowait(result)


class ModelOwner:
    """Serves the logs in `epochs`, each under one leader epoch."""

    def __init__(self, cluster: "ModelCluster") -> None:
        self.epochs: dict[LogId, int] = {}
        self.refused = 0
        self.is_mute = False  # receives appends and does nothing
        self.is_lost = False  # as the gateway sees it
        self._cluster = cluster
        self._streams: list[ModelStream] = []

    def open_stream(self) -> Any:
        self._streams.append(ModelStream(self))
        return self._streams[-1]

    async def delay(self) -> None:
        await self._cluster.delay()

    def decide(self, append: pb.Append) -> pb.AppendResult:
        log = LogId(append.topic_id, append.partition)
        refusal = self._refusal(log, append.leader_epoch)
        if refusal is not None:
            self.refused += 1
            return pb.AppendResult(append_id=append.append_id, refused=pb.Refused(refusal=refusal))
        return self._cluster.store(log, append)

    def restart(self) -> None:
        """Loses all appends and responses in flight."""
        self.is_mute = False
        for stream in self._streams:
            stream.fail()
        self._streams.clear()

    def _refusal(self, log: LogId, epoch: int) -> Refusal | None:
        served_epoch = self.epochs.get(log)
        if served_epoch is None:
            refusals = (Refusal.NOT_OWNER, Refusal.MOVING, Refusal.UNKNOWN_TOPIC_OR_PARTITION)
            return self._cluster.random.choice(refusals)
        if epoch == served_epoch:
            return None
        return Refusal.FENCED_LEADER_EPOCH if epoch < served_epoch else Refusal.UNKNOWN_LEADER_EPOCH


class _Connection(AppendStreamClient):
    """The connection of `RoutedPartitions` to an owner, for appends only."""

    def __init__(self, owner: ModelOwner, name: str, reject_handler: RejectHandler | None) -> None:
        super().__init__(
            name, owner.open_stream, response_timeout_s=30.0, reject_handler=reject_handler
        )
        self._owner = owner

    @property
    def is_lost(self) -> bool:
        return self._owner.is_lost

    def append(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        return self.submit(appends, acks=acks)


class ModelCluster:
    """Three owners and a gateway whose view is stale most of the time."""

    def __init__(
        self,
        seed: int,
        *,
        partitions: int = 3,
        fence_s_max: float = 0.5,
        gateways: int = 1,
        **options: Any,
    ) -> None:
        """Moves stay in the FENCE phase for up to `fence_s_max`.

        Several gateways share one view; each has streams of its own to the owners.
        """
        self.random = Random(seed)
        self._fence_s_max = fence_s_max
        self.stored: dict[LogId, list[bytes]] = defaultdict(list)
        # By log and producer id: offsets of the last five batches by base sequence, and the next
        # sequence. Both belong to the log.
        self._sequences: dict[tuple[LogId, int], dict[int, int]] = defaultdict(dict)
        self._next_sequence: dict[tuple[LogId, int], int] = defaultdict(int)
        self.owners = {name: ModelOwner(self) for name in NAMES}
        self.placements = [Placement(self.random.choice(NAMES), 0) for _ in range(partitions)]
        self.view = ClusterView()
        self._move_ids = 0
        for partition, placement in enumerate(self.placements):
            self.owners[placement.owner].epochs[LogId(TOPIC_ID, partition)] = 0
        self.view.apply(
            ClusterChange(
                1,
                "cluster",
                is_snapshot=True,
                topics=[self._topic()],
                members=[Member(name, f"{name}:1") for name in NAMES],
            )
        )
        self.gateways = [
            RoutedPartitions(self.view, self._connect, **{"hold_s": 10.0, **options})
            for _ in range(gateways)
        ]
        self.gateway = self.gateways[0]

    def store(self, log: LogId, append: pb.Append) -> pb.AppendResult:
        """Stores a batch, unless it is a duplicate or out of sequence."""
        stored, batch = self.stored[log], producer_batch(append.batch)
        offset = len(stored)
        if batch is not None:
            offsets = self._sequences[log, batch.producer_id]
            if batch.base_sequence in offsets:
                offset = offsets[batch.base_sequence]
                return pb.AppendResult(
                    append_id=append.append_id, stored=pb.Stored(base_offset=offset)
                )
            if batch.base_sequence != self._next_sequence[log, batch.producer_id]:
                refused = pb.Refused(refusal=Refusal.OUT_OF_ORDER_SEQUENCE_NUMBER)
                return pb.AppendResult(append_id=append.append_id, refused=refused)
            offsets[batch.base_sequence] = offset
            self._next_sequence[log, batch.producer_id] = batch.next_sequence
            if len(offsets) > 5:
                del offsets[min(offsets)]
        stored.append(append.batch)
        return pb.AppendResult(append_id=append.append_id, stored=pb.Stored(base_offset=offset))

    async def delay(self, s_max: float = DELAY_S_MAX) -> None:
        # Often no delay: events in one iteration of the loop are the most error-prone.
        await asyncio.sleep(self.random.choice((0.0, 0.0, self.random.random() * s_max)))

    async def move(self, partition: int, *, can_fail: bool = True) -> None:
        """Moves a log, or rolls the move back. Each process receives each phase separately."""
        log, before = LogId(TOPIC_ID, partition), self.placements[partition]
        target = self.random.choice([name for name in NAMES if name != before.owner])
        fails = can_fail and self.random.random() < 0.3
        after = Placement(before.owner if fails else target, before.leader_epoch + 1)
        self._move_ids += 1
        move = Move(
            self._move_ids,
            log.topic_id,
            partition,
            before.owner,
            target,
            before.leader_epoch,
            MovePhase.FENCE,
        )
        async with asyncio.TaskGroup() as group:
            if self.random.random() < 0.7:  # a gateway without a watch receives the end only
                group.create_task(self._run_later(lambda: self.apply(moves=[move])))
            group.create_task(self._run_later(lambda: self._fence(before.owner, log)))
        await self.delay(self._fence_s_max)
        self.placements[partition] = after

        def commit() -> None:
            self.apply(topics=[self._topic()], ended_moves=[move.move_id])

        async with asyncio.TaskGroup() as group:
            group.create_task(self._run_later(commit))
            group.create_task(self._run_later(lambda: self._serve(after, log)))

    async def restart(self, name: str) -> None:
        """Restarts an owner, which serves its logs again after a delay."""
        owner = self.owners[name]
        epochs, owner.epochs = owner.epochs, {}
        owner.restart()
        if self.random.random() < 0.5:
            await self.delay()
            owner.is_lost = True
            await self.delay(10 * DELAY_S_MAX)
            owner.is_lost = False
        await self.delay(10 * DELAY_S_MAX)
        owner.epochs = epochs

    def fence(self, partition: int) -> Move:
        """Returns a move that stays in the FENCE phase."""
        placement = self.placements[partition]
        self._fence(placement.owner, LogId(TOPIC_ID, partition))
        self._move_ids += 1
        target = next(name for name in NAMES if name != placement.owner)
        return Move(
            self._move_ids,
            TOPIC_ID,
            partition,
            placement.owner,
            target,
            placement.leader_epoch,
            MovePhase.FENCE,
        )

    def place(self, partition: int, placement: Placement) -> None:
        """Gives a log to another owner without a change of the gateway's view."""
        log = LogId(TOPIC_ID, partition)
        self._fence(self.placements[partition].owner, log)
        self.placements[partition] = placement
        self._serve(placement, log)

    def apply(self, **changes: Any) -> None:
        """Applies a change to the view and the gateways."""
        change = ClusterChange(self.view.revision + 1, "cluster", **changes)
        self.view.apply(change)
        for gateway in self.gateways:
            gateway.view_changed(change)

    def apply_placements(self) -> None:
        self.apply(topics=[self._topic()])

    def append(self, batch: bytes, *partitions: int, gateway: int = 0) -> Any:
        appends = [Append(LogId(TOPIC_ID, partition), batch) for partition in partitions or (0,)]
        return self.gateways[gateway].append(appends, acks=1)

    async def close(self) -> None:
        for gateway in self.gateways:
            await gateway.close()

    def _topic(self) -> Topic:
        return Topic(TOPIC_ID, "moving", tuple(self.placements))

    def _connect(self, name: str, _address: str, reject_handler: RejectHandler | None) -> Any:
        return _Connection(self.owners[name], name, reject_handler)

    def _fence(self, name: str, log: LogId) -> None:
        self.owners[name].epochs.pop(log, None)

    def _serve(self, placement: Placement, log: LogId) -> None:
        self.owners[placement.owner].epochs[log] = placement.leader_epoch

    async def _run_later(self, action: Callable[[], None]) -> None:
        await self.delay()
        action()
