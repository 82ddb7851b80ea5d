"""A metadata service and members that move partitions, in one process and in any order.

The service is real, on a store in memory; members, logs and time are simulated. Each method is an
event that may happen at any moment: a step of one member, a crash, a command. Violations of the
invariants are asserted where they would occur.
"""

import random
from dataclasses import dataclass, field

from common.cluster.view import ClusterView
from common.kv.store import WriteBatch
from common.ports.metadata import ClusterChange, Member, Topic
from common.ports.moves import Move, MovePhase, RingRefusal, RingState
from common.runtime.notifier import Notifier
from metadata_svc.change_log import ChangeLog
from metadata_svc.members.members import MemberRegistry, RegisteredWatch
from metadata_svc.moves.load_reports import LoadReports
from metadata_svc.moves.plan import planned_moves
from metadata_svc.moves.scheduler import MoveScheduler, RingPolicy
from metadata_svc.ring import LocalRing
from metadata_svc.state.member_table import MemberTable
from metadata_svc.state.mutation import Mutation
from metadata_svc.state.store import StateStore
from metadata_svc.topics.placement import place, ring_of
from metadata_svc.watch.hub import WatchHub
from tests.support.stores.memory_store import MemoryKvStore

FENCE_TIMEOUT_S = 5.0


class Service:
    """The metadata service until it is killed. `store` outlives it."""

    def __init__(self, store, policy):
        self.view, self.member_table = ClusterView(), MemberTable()
        self.hub = WatchHub(self.view)
        self.change_log = ChangeLog(StateStore(store), self.view, self.member_table, self.hub)
        changes = Notifier()
        reports = LoadReports(self.view, on_change=changes.notify_all)
        table, change_log = self.member_table, self.change_log
        self.members = MemberRegistry(self.view, table, self.hub, change_log, reports)
        self.scheduler = MoveScheduler(
            self.view, table, change_log, self.members, reports, policy, changes=changes
        )
        self.ring = LocalRing(self.view, table, change_log, self.members, self.scheduler)

    async def open(self):
        state = await self.change_log.load()
        self.member_table.load(state)
        snapshot = ClusterChange(
            state.revision,
            state.cluster_id,
            is_snapshot=True,
            topics=state.topics,
            members=state.members,
            moves=state.moves,
        )
        self.view.apply(snapshot)

    async def settle(self, now):
        return await self.change_log.run_exclusive(lambda: self.scheduler.settle(now))

    async def commit(self, mutation):
        return await self.change_log.run_exclusive(lambda: self.change_log.commit(mutation))


@dataclass
class Log:
    """One member's copy of a partition: its number of records, and the epoch of its fence.

    `is_part`: a move has copied only a part of the records.
    """

    records: int = 0
    fence: int = -1
    is_part: bool = False


@dataclass
class Node:
    """A member: its disk, its view, and the moves in which it takes part."""

    name: str
    volumes: int = 0
    logs: dict = field(default_factory=dict)
    view: ClusterView = field(default_factory=ClusterView)
    watch: RegisteredWatch | None = None
    #: Moves whose fence was recorded, as far as the member knows.
    fencing: dict[int, Move] = field(default_factory=dict)
    #: Moves whose records it has all copied.
    complete: dict[int, Move] = field(default_factory=dict)

    @property
    def is_up(self):
        return self.watch is not None


class SimulatedCluster:
    """A cluster. `acknowledged`: numbers of acknowledged records by partition.

    None if the owner was lost, and its remaining records were not counted yet.
    """

    def __init__(self, seed, *, moves_max=4, moves_per_member_max=2):
        self.rng = random.Random(seed)
        self.store = MemoryKvStore()
        self.policy = RingPolicy(
            moves_max=moves_max,
            moves_per_member_max=moves_per_member_max,
            fence_timeout_ms=int(FENCE_TIMEOUT_S * 1000),
        )
        self.service = Service(self.store, self.policy)
        self.now = 0.0
        self.nodes: dict[str, Node] = {}
        self.acknowledged: dict = {}
        self._writers: dict = {}
        self._epochs: dict = {}
        self._known_moves: set[int] = set()

    # Actions of the service and its operator.

    async def open(self):
        await self.service.open()

    async def crash_service(self):
        """Kills the service, and restarts it on its store. All members have to reconnect."""
        store, batch = MemoryKvStore(), WriteBatch()
        for key, value in self.store.scan(b"", b"\xff"):
            batch.put(key, value)
        store.write(batch, sync=True)
        self.service.change_log._disk.shutdown()
        self.store, self.service = store, Service(store, self.policy)
        await self.service.open()
        for node in self.nodes.values():
            node.watch = None

    async def settle(self):
        await self.service.settle(self.now)
        self.check()

    async def pass_time(self, seconds=None):
        self.now += self.rng.uniform(0, 1.5) if seconds is None else seconds
        await self.settle()

    async def make_topic(self, partitions):
        members = self.service.members.placeable
        if not members:
            return
        topic_id = self.rng.randbytes(16)
        [placed] = place([(topic_id, partitions)], members, self.service.member_table.loads())
        topic = Topic(topic_id, f"t{topic_id.hex()}", placed)
        await self.service.commit(Mutation(topics=[topic]))
        for partition in range(partitions):
            self.acknowledged[topic_id, partition] = 0

    async def delete_topic(self):
        view = self.service.view
        if view.topics:
            topic = self.rng.choice(view.topics)
            move_ids = [move.move_id for move in view.moves if move.topic_id == topic.topic_id]
            await self.service.commit(Mutation(deleted_topics=[topic], ended_moves=move_ids))
            self.service.scheduler.forget_topics([topic.topic_id])
            for partition in range(len(topic.partitions)):
                del self.acknowledged[topic.topic_id, partition]

    # Actions of members.

    async def start(self, name):
        node = self.nodes.setdefault(name, Node(name))
        volume = f"volume {node.volumes} of {name}"
        node.watch = RegisteredWatch(self.service.members, Member(name, f"{name}:1", volume, 1))
        # The process forgets its moves; the disk stays.
        node.fencing, node.complete, node.view = {}, {}, ClusterView()
        await self.learn(node)

    async def kill(self, name):
        node = self.nodes[name]
        watch, node.watch = node.watch, None
        await watch.close()

    async def lose(self, name):
        """Removes a member that died with its volume: its partitions start empty elsewhere."""
        node, view = self.nodes[name], self.service.view
        owned = [key for key in self.acknowledged if view.placement(*key).owner == name]
        new_owners = self.service.members.placeable - {name}
        if view.member(name) is None or (owned and not new_owners):
            return
        if node.is_up:
            await self.kill(name)
        refused = await self.service.ring.remove_member(name)
        assert (refused.refusal is RingRefusal.NOT_EMPTY) is bool(owned)
        if not owned:
            return
        result = await self.service.ring.remove_member(name, accept_data_loss=True)
        assert result.refusal is None
        lost = [
            (topic.topic_id, partition) for topic in result.lost for partition in topic.partitions
        ]
        assert sorted(lost) == sorted(owned)
        assert all(self.service.view.placement(*key).owner in new_owners for key in owned)
        node.logs, node.volumes = {}, node.volumes + 1
        self.acknowledged |= dict.fromkeys(owned)

    async def learn(self, node):
        """Applies the next change of the metadata to the view of a member."""
        if node.view.revision < self.service.view.revision or not node.view.has_snapshot:
            node.view.apply(await anext(node.watch))

    def append(self, node):
        """Appends to a log that the node believes it owns."""
        owned = [
            (key, placement)
            for key in self.acknowledged
            if (placement := node.view.placement(*key)) is not None and placement.owner == node.name
        ]
        if not owned:
            return
        key, placement = self.rng.choice(owned)
        log = node.logs.setdefault(key, Log())
        if placement.leader_epoch <= log.fence or log.is_part:
            return
        writer = self._writers.setdefault((key, placement.leader_epoch), node.name)
        assert writer == node.name, f"two owners in one epoch: {writer}, {node.name}"
        if self.acknowledged[key] is None:
            self.acknowledged[key] = log.records
        assert log.records == self.acknowledged[key], "acknowledged records are missing"
        log.records += 1
        self.acknowledged[key] += 1

    async def copy(self, node):
        """Copies the source's current records to a target, which reports its progress."""
        moves = [
            move
            for move in node.view.moves
            if move.target == node.name
            and move.phase < MovePhase.COMMIT
            and move.move_id not in node.complete
        ]
        if not moves:
            return
        move = self.rng.choice(moves)
        source = self.nodes[move.source]
        key = move.topic_id, move.partition
        if not source.is_up or key not in self.acknowledged:
            return
        node.logs[key] = Log(source.logs.setdefault(key, Log()).records, is_part=True)
        phase = self.rng.choice([MovePhase.CATCH_UP, MovePhase.FENCE])
        recorded = await self.service.ring.advance_move(move.move_id, phase)
        if recorded is not None and recorded.phase is MovePhase.FENCE:
            node.fencing[move.move_id] = recorded

    def fence(self, node):
        """Requests the fence from a source, maybe long after the move was cancelled.

        A target that does not know the move any more ignores the response.
        """
        if not node.fencing:
            return
        move = self.rng.choice(list(node.fencing.values()))
        source = self.nodes[move.source]
        key = move.topic_id, move.partition
        if not source.is_up or key not in self.acknowledged:
            return
        if (log := source.logs.get(key)) is None:
            return
        log.fence = max(log.fence, move.leader_epoch)
        known = node.view.move(move.move_id)
        if known is not None and known.phase < MovePhase.COMMIT:
            node.logs[key] = Log(log.records)
            node.complete[move.move_id] = move

    async def commit(self, node):
        if node.complete:
            move = self.rng.choice(list(node.complete.values()))
            await self.service.ring.advance_move(move.move_id, MovePhase.COMMIT)

    async def clean(self, node):
        """Deletes the copy of a source after the handover, or of a target of a cancelled move."""
        for move in node.view.moves:
            if move.source == node.name and move.phase is MovePhase.COMMIT:
                placement = node.view.placement(move.topic_id, move.partition)
                if placement.owner != node.name:
                    node.logs.pop((move.topic_id, move.partition), None)
                await self.service.ring.end_move(move.move_id)
        for key in [*node.logs]:
            move, placement = node.view.move_of(*key), node.view.placement(*key)
            is_owner = placement is not None and placement.owner == node.name
            is_useless = node.logs[key].is_part if is_owner else True
            if is_useless and (move is None or move.target != node.name):
                del node.logs[key]
        for move_id in [*node.fencing]:
            if node.view.move(move_id) is None and self.rng.random() < 0.5:
                node.fencing.pop(move_id)
                node.complete.pop(move_id, None)

    # Invariants.

    def check(self):
        """Checks the table: all owners are known, and every change of an owner raises the epoch."""
        view = self.service.view
        for topic in view.topics:
            for partition, placement in enumerate(topic.partitions):
                key = topic.topic_id, partition
                assert view.member(placement.owner) is not None
                before = self._epochs.get(key, placement)
                assert placement.leader_epoch >= before.leader_epoch
                assert placement == before or placement.leader_epoch > before.leader_epoch
                self._epochs[key] = placement
        partitions = [(move.topic_id, move.partition) for move in view.moves]
        assert len(partitions) == len(set(partitions)), "a partition is in two moves"
        for move in view.moves:
            placement = view.placement(move.topic_id, move.partition)
            if move.phase is MovePhase.COMMIT:
                # If the target was lost, the record stays until the source has cleaned up.
                assert placement.leader_epoch > move.leader_epoch
            else:
                assert placement == (move.source, move.leader_epoch)
        self._check_limits()

    def _check_limits(self):
        """Checks the limit of moves; only a member that returns to its move may exceed it."""
        live = self.service.members.live_members
        under_way = {
            move.move_id: {move.source, move.target}
            for move in self.service.view.moves
            if move.phase < MovePhase.COMMIT and {move.source, move.target} <= live
        }
        started = under_way.keys() - self._known_moves
        self._known_moves |= {move.move_id for move in self.service.view.moves}
        assert not started or len(under_way) <= self.policy.moves_max
        for name in set().union(*(under_way[move_id] for move_id in started)):
            count = sum(name in pair for pair in under_way.values())
            assert count <= self.policy.moves_per_member_max

    def check_end(self):
        """Checks that no move is left, and that every partition is at its planned owner."""
        service = self.service
        assert service.view.moves == ()
        assert len(service.scheduler.plan) == 0
        assert not service.member_table.is_rebalancing
        assert service.member_table.in_state(RingState.DRAINING) == frozenset()
        joined = service.member_table.in_state(RingState.JOINED)
        assert planned_moves(service.view, ring_of(joined)) == []
        for key, count in self.acknowledged.items():
            owner, leader_epoch = service.view.placement(*key)
            assert owner in joined
            log = self.nodes[owner].logs.get(key, Log())
            assert count is None or log.records == count
            assert not log.is_part
            assert log.fence < leader_epoch, "no member can append any more"
            holders = [node.name for node in self.nodes.values() if key in node.logs]
            assert holders in ([], [owner]), "a member that is not the owner has a copy"
