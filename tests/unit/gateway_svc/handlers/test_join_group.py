import asyncio

import pytest

from common.ports.classic_groups import GroupProtocol, Joined, JoinedMember, JoinGroup
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


def asked(version, **fields):
    cluster = FakeCluster()
    cluster.coordinators.replies[JoinGroup] = Joined()
    cluster.send(join_group, request(**fields), version)
    (one,) = cluster.coordinators.requests
    return one


def test_everything_that_a_member_says_reaches_the_coordinator():
    one = asked(9, rebalance_timeout_ms=20, group_instance_id="i", reason="why")
    assert one == JoinGroup(
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
def test_features_of_each_version(version, needs_member_id, may_skip):
    one = asked(version)
    assert (one.needs_member_id, one.may_skip_assignment) == (needs_member_id, may_skip)


def test_version_0_has_one_timeout_for_both():
    assert asked(0).rebalance_timeout_ms == 10


def test_the_leader_gets_the_members():
    cluster = FakeCluster()
    cluster.coordinators.replies[JoinGroup] = Joined(
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
def test_a_refusal_has_no_protocol(version, name):
    cluster = FakeCluster()
    cluster.coordinators.replies[JoinGroup] = Joined("m", refusal=GroupRefusal.MEMBER_ID_REQUIRED)
    response = cluster.send(join_group, request(), version)
    assert (response.error_code, response.member_id) == (ErrorCode.MEMBER_ID_REQUIRED, "m")
    assert response.protocol_name == name


def test_waiting_members_are_sent_elsewhere_when_the_gateway_stops():
    cluster = FakeCluster()

    async def scenario():
        asked = asyncio.Event()

        async def wait_for_others(_):
            asked.set()
            await asyncio.Event().wait()

        cluster.coordinators.reply_to = wait_for_others
        waiting = asyncio.create_task(join_group(request(), cluster.context(5)))
        await asked.wait()
        cluster.backends.long_polls.close()
        return await waiting

    assert asyncio.run(scenario()).error_code is ErrorCode.COORDINATOR_NOT_AVAILABLE
