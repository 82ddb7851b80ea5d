import pytest

from common.ports.classic_groups import GroupProtocol, JoinGroup, ListGroups
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic.describe import is_listed
from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup, settle, topic_id

WEEK_MS = 7 * 24 * 3600 * 1000


@pytest.fixture
def simulated():
    return SimulatedConsumerGroup(a=2, b=1)


@pytest.fixture
def reader(simulated):
    reader = Reader(simulated, "m1")
    settle(reader)
    return reader


def join(simulated, member_id=""):
    protocols = [GroupProtocol("range", b"")]
    request = JoinGroup(
        "g", member_id, "consumer", protocols, 10_000, 10_000, needs_member_id=False
    )
    return simulated.do(lambda: simulated.group.join(request, "t", simulated.now_ms, "c1"))


def test_groups_are_described_and_listed(simulated, reader):
    description = simulated.group.describe_consumer()
    assert (description.state, description.group_epoch, description.assignment_epoch) == (
        "Stable",
        1,
        1,
    )
    assert description.assignor == "uniform"
    (member,) = description.members
    assert (member.member_id, member.member_epoch) == ("m1", 1)
    assert member.assignment == member.target
    assert [(topic.topic_id, topic.partitions) for topic in member.target] == [
        (topic_id("a"), [0, 1])
    ]
    listed_group = simulated.group.as_listed_group()
    assert (listed_group.protocol_type, listed_group.state, listed_group.group_type) == (
        "consumer",
        "Stable",
        "consumer",
    )
    assert is_listed(listed_group, ListGroups(states=["stable"], types=["Consumer"]))


def test_partitions_being_revoked_are_described_as_assigned(simulated, reader):
    Reader(simulated, "m2").beat()
    reader.beat()
    assigned_or_revoking = {
        member.member_id: [
            partition for topic in member.assignment for partition in topic.partitions
        ]
        for member in simulated.group.describe_consumer().members
    }
    assert assigned_or_revoking == {"m1": [0, 1], "m2": []}


def test_description_of_the_other_protocol_is_not_found(simulated, reader):
    description = simulated.group.describe()
    assert description.refusal is GroupRefusal.GROUP_ID_NOT_FOUND
    assert description.message == "Group g is not a classic group."
    reader.leave()
    assert join(simulated).refusal is None
    description = simulated.group.describe_consumer()
    assert description.refusal is GroupRefusal.GROUP_ID_NOT_FOUND
    assert description.message == "Group g is not a consumer group."
