import pytest

from common.ports.classic_groups import GroupProtocol, JoinGroup, ListGroups
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic.describe import is_listed
from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup, settle, topic_id

WEEK_MS = 7 * 24 * 3600 * 1000


@pytest.fixture
def world():
    return SimulatedConsumerGroup(a=2, b=1)


@pytest.fixture
def one(world):
    reader = Reader(world, "m1")
    settle(reader)
    return reader


def join(world, member_id=""):
    protocols = [GroupProtocol("range", b"")]
    request = JoinGroup(
        "g", member_id, "consumer", protocols, 10_000, 10_000, needs_member_id=False
    )
    return world.do(lambda: world.group.join(request, "t", world.now_ms, "c1"))


def test_groups_are_described_and_listed(world, one):
    described = world.group.describe_consumer()
    assert (described.state, described.group_epoch, described.assignment_epoch) == ("Stable", 1, 1)
    assert described.assignor == "uniform"
    (member,) = described.members
    assert (member.member_id, member.member_epoch) == ("m1", 1)
    assert member.assignment == member.target
    assert [(part.topic_id, part.partitions) for part in member.target] == [(topic_id("a"), [0, 1])]
    listed = world.group.listed()
    assert (listed.protocol_type, listed.state, listed.group_type) == (
        "consumer",
        "Stable",
        "consumer",
    )
    assert is_listed(listed, ListGroups(states=["stable"], types=["Consumer"]))


def test_partitions_being_revoked_are_described_as_assigned(world, one):
    Reader(world, "m2").beat()
    one.beat()
    assigned_or_revoking = {
        member.member_id: [number for part in member.assignment for number in part.partitions]
        for member in world.group.describe_consumer().members
    }
    assert assigned_or_revoking == {"m1": [0, 1], "m2": []}


def test_description_of_the_other_protocol_is_not_found(world, one):
    described = world.group.describe()
    assert described.refusal is GroupRefusal.GROUP_ID_NOT_FOUND
    assert described.message == "Group g is not a classic group."
    one.leave()
    assert join(world).refusal is None
    described = world.group.describe_consumer()
    assert described.refusal is GroupRefusal.GROUP_ID_NOT_FOUND
    assert described.message == "Group g is not a consumer group."
