"""Coordinators on a core with a real store, and requests of group members."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from common.ports.classic_groups import (
    GroupHeartbeat,
    GroupProtocol,
    JoinGroup,
    JoinReply,
    LeaveGroup,
    LeavingMember,
    MemberAssignment,
    SyncGroup,
)
from common.ports.coordinators import OFFSETS_TOPIC, Coordinators
from common.ports.group_errors import GroupClient, GroupRefusal
from common.ports.group_offsets import CommitOffsets, FetchOffsets, OffsetToCommit
from common.ports.metadata import Placement, Topic
from partition_svc.app import open_coordinators
from partition_svc.config import PartitionSettings
from partition_svc.coordinator.runtime.coordinators import OwnedCoordinators
from partition_svc.partitions import LocalPartitions
from tests.support.stores.partition_core import MEMBER, running_core, topic

OFFSETS_TOPIC_ID = b"id of offsets..."
DATA_TOPIC_ID = b"a topic with ids"
GROUP = "a-group"
CLIENT = GroupClient("a-client", "/127.0.0.1")


def offsets_topic(
    *, partitions: int = 2, owner: str = MEMBER, leader_epoch: int = 0, **configs: str
) -> Topic:
    return Topic(
        OFFSETS_TOPIC_ID,
        OFFSETS_TOPIC,
        (Placement(owner, leader_epoch),) * partitions,
        {"cleanup.policy": "compact", **{k.replace("_", "."): v for k, v in configs.items()}},
        is_internal=True,
    )


def data_topic() -> Topic:
    return topic(DATA_TOPIC_ID)


DATA = data_topic().name


@asynccontextmanager
async def running_coordinators(
    folder: Path, *topics: Topic, **settings: object
) -> AsyncIterator[tuple[LocalPartitions, OwnedCoordinators]]:
    """Runs coordinators without rebalance delay. Settings are fields of `PartitionSettings`."""
    partition_settings = PartitionSettings(**{"group_initial_rebalance_delay_ms": 0, **settings})
    async with (
        running_core(folder, *topics or (offsets_topic(), data_topic())) as core,
        open_coordinators(core, partition_settings) as coordinators,
    ):
        coordinators.follow()
        yield core, coordinators


async def call_when_loaded(call):
    """Repeats `call()` until the coordinator is loaded, and returns the reply."""
    while True:
        reply = await call()
        first = reply[0] if isinstance(reply, list) else reply
        if first.refusal is not GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS:
            return reply
        await asyncio.sleep(0.005)


def join_request(member_id: str = "", group_id: str = GROUP, **more: object) -> JoinGroup:
    defaults = {
        "protocol_type": "consumer",
        "protocols": [GroupProtocol("range", b"subscription")],
        "session_timeout_ms": 30_000,
        "rebalance_timeout_ms": 60_000,
        "client": CLIENT,
    }
    return JoinGroup(group_id, member_id, **{**defaults, **more})


async def new_member_id(to: Coordinators, group_id: str = GROUP) -> str:
    joined = await call_when_loaded(lambda: to.call(join_request(group_id=group_id)))
    assert joined.refusal is GroupRefusal.MEMBER_ID_REQUIRED
    return joined.member_id


async def join_alone(to: Coordinators, group_id: str = GROUP) -> JoinReply:
    """Joins the only member of a group, which leads it."""
    member_id = await new_member_id(to, group_id)
    joined = await to.call(join_request(member_id, group_id))
    assert joined.refusal is None
    assert joined.leader == member_id
    return joined


async def join_and_sync_alone(to: Coordinators, group_id: str = GROUP) -> JoinReply:
    """Joins the only member of a group, and makes the group Stable."""
    joined = await join_alone(to, group_id)
    synced = await to.call(sync_request(joined, {joined.member_id: b"all"}, group_id))
    assert synced.refusal is None
    assert synced.assignment == b"all"
    return joined


def sync_request(
    joined: JoinReply, assignments: dict[str, bytes] | None = None, group_id: str = GROUP
):
    shares = [MemberAssignment(*item) for item in (assignments or {}).items()]
    return SyncGroup(group_id, joined.member_id, joined.generation_id, assignments=shares)


def heartbeat_request(joined: JoinReply, group_id: str = GROUP) -> GroupHeartbeat:
    return GroupHeartbeat(group_id, joined.member_id, joined.generation_id)


def leave_request(joined: JoinReply, group_id: str = GROUP) -> LeaveGroup:
    return LeaveGroup(group_id, [LeavingMember(joined.member_id)])


def commit_request(offset: int, group_id: str = GROUP, *, joined=None, topic: str = DATA, **more):
    to_commit = OffsetToCommit(topic, 0, offset, **{"topic_id": DATA_TOPIC_ID, **more})
    if joined is None:
        return CommitOffsets(group_id, [to_commit])
    return CommitOffsets(group_id, [to_commit], joined.member_id, joined.generation_id)


async def fetch_committed(to: Coordinators, group_id: str = GROUP) -> int:
    """Fetches the committed offset of partition 0 of the data topic; -1 if there is none."""
    fetched = await call_when_loaded(lambda: to.call(FetchOffsets(group_id)))
    assert fetched.refusal is None, fetched.refusal
    offsets = [
        offset.offset for offset in fetched.offsets if (offset.topic, offset.partition) == (DATA, 0)
    ]
    return offsets[0] if offsets else -1


async def wait_for_rebalance(to: Coordinators, member: JoinReply) -> None:
    """Waits until the group of a member rebalances."""
    while (await to.call(heartbeat_request(member))).refusal is None:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def wait_until_parked(tasks: Sequence[asyncio.Task]) -> None:
    """Waits until calls have reached their coordinator, where they stay pending."""
    for _ in range(20):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
