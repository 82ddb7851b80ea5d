"""Memory and log of a shard agree under invalid requests and exceptions.

No client would send such requests: for unknown members and those of other groups, with ids too
long for a record, with records too large for a batch. Exceptions interrupt calls at any line.

A failing run is repeated with its seed: `SEED=17 make test TESTS=tests/simulation`.
"""

import asyncio
import logging
import os
import random
from functools import partial
from itertools import count

import pytest

from common.cluster.view import ClusterView
from common.ports.classic_groups import (
    GroupHeartbeat,
    GroupProtocol,
    JoinGroup,
    LeaveGroup,
    LeavingMember,
    MemberAssignment,
    SyncGroup,
)
from common.ports.consumer_groups import ConsumerHeartbeat, OwnedPartitions
from common.ports.group_errors import GroupClient
from common.ports.group_offsets import (
    CommitOffsets,
    DeleteOffsets,
    FetchOffsets,
    OffsetToCommit,
    TopicPartitions,
)
from common.ports.metadata import ClusterChange, Placement, Topic
from common.ports.partitions import LogId
from partition_svc.coordinator.group.group import Group
from partition_svc.coordinator.group.logged_members import LoadedGroup
from partition_svc.coordinator.runtime.loader import load
from partition_svc.coordinator.runtime.shard import Shard
from partition_svc.coordinator.runtime.writer import CoordinatorWriter
from partition_svc.coordinator.settings import GroupSettings
from tests.support.clients.classic_readers import assignment, subscription
from tests.support.groups.groups import OFFSETS_TOPIC_ID, offsets_topic
from tests.support.groups.interruptions import Interrupted, interrupted_after
from tests.support.stores.partition_core import running_core

SEEDS = [int(os.environ["SEED"])] if "SEED" in os.environ else range(12)
STEPS = 150
LOG = LogId(OFFSETS_TOPIC_ID, 0)
TOPIC_IDS = [b"topic t.........", b"topic u........."]
TOO_LONG = "x" * 40_000
BATCH_BYTES_MAX = 200_000


class Simulation:
    """Random calls to one shard, whose memory is compared with its log after each call."""

    def __init__(self, seed, core):
        self.rng = random.Random(seed)
        self.core = core
        self.now_ms = 1_000_000
        self.numbers = count(1)
        self.failures = []
        self.refused = self.accepted = 0
        #: Member ids and epochs of all replies.
        self.members = [("", -1), ("unknown", 3)]
        view = ClusterView()
        topics = [
            Topic(topic_id, name, (Placement("p", 1),) * 4)
            for topic_id, name in zip(TOPIC_IDS, "tu", strict=True)
        ]
        view.apply(ClusterChange(1, "c", is_snapshot=True, topics=topics))
        writer = CoordinatorWriter(
            core, LOG, 0, batch_bytes_max=lambda: BATCH_BYTES_MAX, on_failed=self.failures.append
        )
        settings = GroupSettings(initial_rebalance_delay_ms=0, max_size=4)
        self.shard = Shard(
            lambda group_id: Group(group_id, settings, view), writer, now_ms=lambda: self.now_ms
        )

    async def step(self):
        group_id = self.rng.choice("gh")
        call = self.rng.choice(
            [self.join, self.join, self.sync, self.heartbeat, self.leave, self.commit, self.commit]
            + [self.consumer_heartbeat] * 3
            + [self.delete, self.delete_offsets, self.pass_time]
        )(group_id)
        if self.rng.random() < 0.2:
            call = partial(call_interrupted, call, self.rng.randrange(150))
        ticket = self.shard.execute(group_id, call, lambda refusal: refusal)
        await asyncio.sleep(0)
        await self.shard.wait_idle()
        await self.check()
        if ticket.done():
            self.record_reply(ticket.result())

    async def check(self):
        loaded = await load(self.core, LOG)
        groups = {group.group_id: group for group in self.shard.groups()}
        for group_id in groups.keys() | loaded.keys():
            group = groups.get(group_id)
            in_memory = LoadedGroup() if group is None else read_logged_state(group)
            assert in_memory == normalize(loaded.get(group_id, LoadedGroup()))
        assert self.failures == []

    def record_reply(self, reply):
        refusal = getattr(reply, "refusal", reply)
        self.refused += refusal is not None
        self.accepted += refusal is None
        if getattr(reply, "member_id", ""):
            epoch = getattr(reply, "generation_id", getattr(reply, "member_epoch", -1))
            self.members.append((reply.member_id, epoch))

    def pick_member(self):
        return self.rng.choice(self.members[-12:] + self.members[:2])

    def pick_instance_id(self):
        return self.rng.choice([None, None, None, "i", "j", TOO_LONG])

    def pick_metadata(self):
        names = self.rng.choice([["t"], ["t", "u"], ["missing"], []])
        owned = [("t", 1)] if self.rng.random() < 0.3 else []
        metadata = subscription(names, owned)
        return self.rng.choice(
            [metadata, metadata, metadata, metadata, b"", b"garbage", bytes(120_000)]
        )

    def join(self, group_id):
        client = GroupClient(self.rng.choice(["c", "c", "c", TOO_LONG]), "/h")
        names = self.rng.choice([["range"], ["range", "sticky"], ["range", "range"], [], ["", "x"]])
        request = JoinGroup(
            group_id,
            self.pick_member()[0],
            self.rng.choice(["consumer", "consumer", "consumer", "connect", ""]),
            [GroupProtocol(name, self.pick_metadata()) for name in names],
            self.rng.choice([30_000, 30_000, 6_000, -1]),
            self.rng.choice([60_000, 0, -5, 2**31 - 1]),
            self.pick_instance_id(),
            client,
            needs_member_id=self.rng.random() < 0.3,
            may_skip_assignment=self.rng.random() < 0.5,
        )
        return lambda group, *rest: group.join(request, *rest, f"m{next(self.numbers)}")

    def sync(self, group_id):
        encoded = self.rng.choice([assignment([("t", 0)]), b"", b"garbage", bytes(150_000)])
        assignments = [MemberAssignment(self.pick_member()[0], encoded) for _ in range(3)]
        request = SyncGroup(
            group_id, *self.pick_member(), self.pick_instance_id(), assignments=assignments
        )
        return lambda group, *rest: group.sync(request, *rest)

    def heartbeat(self, group_id):
        request = GroupHeartbeat(group_id, *self.pick_member(), self.pick_instance_id())
        return lambda group, *rest: group.heartbeat(request, *rest)

    def leave(self, group_id):
        leaving = [LeavingMember(self.pick_member()[0], self.pick_instance_id()) for _ in range(2)]
        return lambda group, *rest: group.leave(LeaveGroup(group_id, leaving), *rest)

    def commit(self, group_id):
        offsets = [
            OffsetToCommit(
                self.rng.choice(["t", "u", "missing", TOO_LONG[: 100 * self.rng.randrange(400)]]),
                self.rng.randrange(3),
                self.rng.choice([next(self.numbers), 2**63 - 1, -1]),
                self.rng.choice([-1, 7]),
                self.rng.choice(["", "é" * 3000, TOO_LONG]),
                self.rng.choice([b"", *TOPIC_IDS]),
                self.rng.choice([-1, -1, -9, 5, 2**63 - 1]),
                self.rng.choice([0, 0, 77]),
            )
            for _ in range(self.rng.randrange(1, 4))
        ]
        identity = self.rng.choice([("", -1), self.pick_member()])
        request = CommitOffsets(group_id, offsets, *identity, self.pick_instance_id())
        return lambda group, *rest: group.commit(request, *rest)

    def consumer_heartbeat(self, group_id):
        member_id, epoch = self.pick_member()
        partitions = self.rng.choice([[], [0, 1], [-1, 99]])
        owned = [OwnedPartitions(self.rng.choice(TOPIC_IDS), partitions)]
        request = ConsumerHeartbeat(
            group_id,
            self.rng.choice([member_id, f"m{next(self.numbers)}", TOO_LONG]),
            self.rng.choice([0, 0, 0, epoch, epoch, -1, -2, -3]),
            self.pick_instance_id(),
            self.rng.choice([None, None, "rack"]),
            self.rng.choice([30_000, -1, 0, -7]),
            self.rng.choice([None, ["t"], ["t", "u"], ["missing"], [TOO_LONG] * 6]),
            self.rng.choice([None, None, "t|u", "(", ""]),
            self.rng.choice([None, "range", "uniform"]),
            self.rng.choice([None, [], [], owned]),
        )
        return lambda group, *rest: group.consumer_heartbeat(
            request, *rest, f"m{next(self.numbers)}"
        )

    def delete(self, group_id):
        return lambda group, *rest: group.delete(*rest)

    def delete_offsets(self, group_id):
        request = DeleteOffsets(
            group_id, [TopicPartitions("t", [0, 1, 2]), TopicPartitions("", [])]
        )
        return lambda group, *rest: group.delete_offsets(request, *rest)

    def pass_time(self, group_id):
        self.now_ms += self.rng.choice([1_000, 20_000, 50_000, 8 * 24 * 3_600_000])
        call = self.rng.choice([Group.on_deadline, Group.on_deadline, Group.expire_offsets])
        for existing_id in self.shard.group_ids:
            self.shard.apply(existing_id, call)
        return lambda group, *rest: group.fetch(FetchOffsets(group_id), *rest)


def call_interrupted(call, lines, group, *rest):
    with interrupted_after(lines):
        call(group, *rest)
    raise Interrupted


def read_logged_state(group):
    """Returns the state that the memory of a group expects in the log."""
    logged = group._logged
    return normalize(LoadedGroup(logged.stored, dict(logged.consumer), group.offsets._table))


def normalize(loaded):
    if loaded.stored is not None:
        loaded.stored = loaded.stored._replace(members=tuple(loaded.stored.members))
    return loaded


@pytest.mark.parametrize("seed", SEEDS)
def test_memory_and_log_never_differ(tmp_path, seed, caplog):
    async def scenario():
        async with asyncio.timeout(60), running_core(tmp_path, offsets_topic()) as core:
            simulation = Simulation(seed, core)
            for _ in range(STEPS):
                await simulation.step()
            return simulation

    with caplog.at_level(logging.ERROR):
        simulation = asyncio.run(scenario())
    assert simulation.accepted > 20
    assert simulation.refused > 20
    bugs = [record.exc_info[0] for record in caplog.records if record.exc_info is not None]
    assert set(bugs) == {Interrupted}
