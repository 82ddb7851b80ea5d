import asyncio

from common.ports.classic_groups import MemberAssignment, SyncGroup, SyncReply
from common.ports.group_errors import GroupRefusal
from gateway_svc.handlers.sync_group import sync_group
from gateway_svc.wire.apis.sync_group import (
    SyncGroupRequest,
    SyncGroupRequestAssignment,
    SyncGroupResponse,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster

REQUEST = SyncGroupRequest(
    group_id="g",
    generation_id=3,
    member_id="m",
    group_instance_id="i",
    protocol_type="consumer",
    protocol_name="range",
    assignments=[SyncGroupRequestAssignment(member_id="m", assignment=b"x")],
)


def test_sync_group_forwards_assignments_and_returns_the_member_s():
    cluster = FakeCluster()
    cluster.coordinators.replies[SyncGroup] = SyncReply(b"x", "consumer", "range")
    assert cluster.send(sync_group, REQUEST, 5) == SyncGroupResponse(
        protocol_type="consumer", protocol_name="range", assignment=b"x"
    )
    assert cluster.coordinators.requests == [
        SyncGroup("g", "m", 3, "i", "consumer", "range", [MemberAssignment("m", b"x")])
    ]


def test_sync_group_returns_a_refusal_as_an_error():
    cluster = FakeCluster()
    cluster.coordinators.replies[SyncGroup] = SyncReply(refusal=GroupRefusal.ILLEGAL_GENERATION)
    response = cluster.send(sync_group, REQUEST, 3)
    assert response == SyncGroupResponse(error_code=ErrorCode.ILLEGAL_GENERATION)


def test_waiting_sync_group_gets_coordinator_not_available_when_the_gateway_stops():
    cluster = FakeCluster()

    async def scenario():
        is_called = asyncio.Event()

        async def never_reply(_):
            is_called.set()
            await asyncio.Event().wait()

        cluster.coordinators.reply_to = never_reply
        waiting = asyncio.create_task(sync_group(REQUEST, cluster.context(5)))
        await is_called.wait()
        cluster.backends.long_polls.close()
        return await waiting

    assert asyncio.run(scenario()).error_code is ErrorCode.COORDINATOR_NOT_AVAILABLE
