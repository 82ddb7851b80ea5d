import pytest

from common.ports.classic_groups import GroupHeartbeat, HeartbeatReply
from common.ports.group_errors import GroupRefusal
from gateway_svc.handlers.heartbeat import heartbeat
from gateway_svc.wire.apis.heartbeat import HeartbeatRequest
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster

REQUEST = HeartbeatRequest(group_id="g", generation_id=3, member_id="m", group_instance_id="i")


@pytest.mark.parametrize("refusal", [None, *GroupRefusal])
def test_heartbeat_returns_the_reply_of_the_coordinator(refusal):
    cluster = FakeCluster()
    cluster.coordinators.replies[GroupHeartbeat] = HeartbeatReply(refusal)
    response = cluster.send(heartbeat, REQUEST, 4)
    assert response.error_code is (ErrorCode[refusal.name] if refusal else ErrorCode.NONE)
    assert cluster.coordinators.requests == [GroupHeartbeat("g", "m", 3, "i")]
