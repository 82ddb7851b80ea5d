import asyncio

import pytest

from common.ports.classic_groups import GroupProtocol, JoinedMember, JoinGroup, JoinReply
from common.ports.group_errors import GroupClient, GroupRefusal
from gateway_svc.handlers.join_group import join_group
from gateway_svc.wire.apis.join_group import (
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponse,
    JoinGroupResponseMember,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster


def request(**fields):
    return JoinGroupRequest(
        group_id="g",
        session_timeout_ms=10,
        member_id="m",
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"x")],
        **fields,
    )


def forwarded_request(version, **fields):
    cluster = FakeCluster()
    cluster.coordinators.replies[JoinGroup] = JoinReply()
    cluster.send(join_group, request(**fields), version)
    (forwarded,) = cluster.coordinators.requests
    return forwarded


def test_join_group_forwards_all_fields():
    forwarded = forwarded_request(9, rebalance_timeout_ms=20, group_instance_id="i", reason="why")
    assert forwarded == JoinGroup(
        group_id="g",
        member_id="m",
        protocol_type="consumer",
        protocols=[GroupProtocol("range", b"x")],
        session_timeout_ms=10,
        rebalance_timeout_ms=20,
        group_instance_id="i",
        client=GroupClient("a client", "/10.0.0.9"),
        reason="why",
        needs_member_id=True,
        may_skip_assignment=True,
    )


@pytest.mark.parametrize(
    ("version", "needs_member_id", "may_skip"),
    [(0, False, False), (3, False, False), (4, True, False), (8, True, False), (9, True, True)],
)
def test_join_group_forwards_the_features_of_its_version(version, needs_member_id, may_skip):
    forwarded = forwarded_request(version)
    assert (forwarded.needs_member_id, forwarded.may_skip_assignment) == (needs_member_id, may_skip)


def test_version_0_uses_its_session_timeout_as_rebalance_timeout():
    assert forwarded_request(0).rebalance_timeout_ms == 10


def test_join_group_returns_the_members_to_the_leader():
    cluster = FakeCluster()
    cluster.coordinators.replies[JoinGroup] = JoinReply(
        "m", 3, "m", "consumer", "range", [JoinedMember("m", "i", b"x")], skip_assignment=True
    )
    assert cluster.send(join_group, request(), 9) == JoinGroupResponse(
        generation_id=3,
        protocol_type="consumer",
        protocol_name="range",
        leader="m",
        skip_assignment=True,
        member_id="m",
        members=[JoinGroupResponseMember(member_id="m", group_instance_id="i", metadata=b"x")],
    )


@pytest.mark.parametrize(("version", "name"), [(6, ""), (7, None)])
def test_join_group_refusal_has_no_protocol_name(version, name):
    cluster = FakeCluster()
    cluster.coordinators.replies[JoinGroup] = JoinReply(
        "m", refusal=GroupRefusal.MEMBER_ID_REQUIRED
    )
    response = cluster.send(join_group, request(), version)
    assert (response.error_code, response.member_id) == (ErrorCode.MEMBER_ID_REQUIRED, "m")
    assert response.protocol_name == name


def test_waiting_join_group_gets_coordinator_not_available_when_the_gateway_stops():
    cluster = FakeCluster()

    async def scenario():
        is_called = asyncio.Event()

        async def never_reply(_):
            is_called.set()
            await asyncio.Event().wait()

        cluster.coordinators.reply_to = never_reply
        waiting = asyncio.create_task(join_group(request(), cluster.context(5)))
        await is_called.wait()
        cluster.backends.long_polls.close()
        return await waiting

    assert asyncio.run(scenario()).error_code is ErrorCode.COORDINATOR_NOT_AVAILABLE
