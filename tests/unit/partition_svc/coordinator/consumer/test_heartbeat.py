import pytest

from common.ports.consumer_groups import OwnedPartitions
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.settings import GroupSettings
from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup, settle


@pytest.fixture
def simulated():
    return SimulatedConsumerGroup(a=4, b=2)


def test_first_member_is_assigned_all_partitions_at_once(simulated):
    reader = Reader(simulated, "m1", ["a", "b", "none"])
    response = reader.beat()
    assert (response.member_id, response.member_epoch, response.heartbeat_interval_ms) == (
        "m1",
        1,
        5_000,
    )
    assert reader.partitions == {("a", 0), ("a", 1), ("a", 2), ("a", 3), ("b", 0), ("b", 1)}


def test_unchanged_heartbeat_writes_nothing_and_returns_no_assignment(simulated):
    reader = Reader(simulated, "m1")
    reader.beat()
    log = dict(simulated.log)
    unchanged_fields = {"rebalance_timeout_ms": -1, "subscribed_topic_names": None, "owned": None}
    assert reader.beat(**unchanged_fields).assignment is None
    assert reader.beat().assignment is not None, "a full request gets the full assignment"
    assert simulated.log == log


def test_heartbeat_without_member_id_gets_one(simulated):
    assert Reader(simulated, "").beat().member_id == "new-0"


def test_partitions_are_revoked_before_others_are_assigned_them(simulated):
    first, second = Reader(simulated, "m1"), Reader(simulated, "m2")
    first.beat()
    assert second.beat().assignment == []
    response = simulated.beat(first.request())
    assert [list(topic.partitions) for topic in response.assignment] == [[0, 1]]
    assert simulated.state == "Reconciling"
    assert second.beat().assignment == [], "the first member has not confirmed its revocation"
    first.take(response)
    first.beat()
    second.beat()
    assert first.partitions | second.partitions == {("a", partition) for partition in range(4)}
    assert not first.partitions & second.partitions
    assert simulated.state == "Stable"


def test_repeated_heartbeat_gets_the_same_response(simulated):
    reader = Reader(simulated, "m1")
    simulated.beat(reader.request())
    response = reader.beat()
    assert response.refusal is None
    assert len(reader.partitions) == 4


@pytest.mark.parametrize("epoch", [1, 4])
def test_other_epochs_are_fenced(simulated, epoch):
    first, second = Reader(simulated, "m1"), Reader(simulated, "m2")
    settle(first)
    settle(first, second)
    Reader(simulated, "m3").beat()
    settle(second, first)
    first.epoch = 99 if epoch == 4 else epoch
    response = first.beat()
    assert response.refusal is GroupRefusal.FENCED_MEMBER_EPOCH
    assert "must abandon all its partitions" in response.message


def test_unknown_groups_and_members_are_rejected(simulated):
    unknown = Reader(simulated, "m9", epoch=3)
    assert unknown.beat().refusal is GroupRefusal.GROUP_ID_NOT_FOUND
    Reader(simulated, "m1").beat()
    assert unknown.beat().refusal is GroupRefusal.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"rebalance_timeout_ms": -1}, GroupRefusal.INVALID_REQUEST),
        ({"owned": None}, GroupRefusal.INVALID_REQUEST),
        ({"subscribed_topic_names": None}, GroupRefusal.INVALID_REQUEST),
        ({"instance_id": ""}, GroupRefusal.INVALID_REQUEST),
        ({"rack_id": ""}, GroupRefusal.INVALID_REQUEST),
        ({"member_epoch": -3}, GroupRefusal.INVALID_REQUEST),
        ({"member_epoch": -2}, GroupRefusal.INVALID_REQUEST),
        ({"server_assignor": "sticky"}, GroupRefusal.UNSUPPORTED_ASSIGNOR),
        ({"subscribed_topic_regex": "("}, GroupRefusal.INVALID_REGULAR_EXPRESSION),
    ],
)
def test_invalid_heartbeat_changes_nothing(simulated, changes, refusal):
    request = Reader(simulated, "m1").request()
    for name, value in changes.items():
        setattr(request, name, value)
    response = simulated.beat(request)
    assert response.refusal is refusal
    assert response.message
    assert not simulated.log
    assert not simulated.group.exists


@pytest.mark.parametrize(
    "changes",
    [
        {"subscribed_topic_names": ["a"] * 100_001},
        {"owned": [OwnedPartitions(bytes(16), range(60_000))] * 2},
        {"owned": [OwnedPartitions(bytes(16), [])] * 100_001},
    ],
)
def test_too_many_topics_or_partitions_are_rejected(simulated, changes):
    reader = Reader(simulated, "m1")
    settle(reader)
    assert reader.beat(**changes).refusal is GroupRefusal.INVALID_REQUEST
    assert reader.beat().refusal is None


def test_leaving_member_releases_its_partitions(simulated):
    first, second = Reader(simulated, "m1"), Reader(simulated, "m2")
    settle(first)
    settle(first, second)
    assert second.leave().member_epoch == -1
    settle(first)
    assert len(first.partitions) == 4
    first.leave()
    assert simulated.state == "Empty"


def test_returning_static_member_keeps_its_partitions(simulated):
    first = Reader(simulated, "m1", instance_id="i1")
    second = Reader(simulated, "m2", instance_id="i2")
    settle(first)
    settle(first, second)
    owned_before, epoch = second.partitions, second.epoch
    assert second.leave(-2).member_epoch == -2
    settle(first)
    returned = Reader(simulated, "m3", instance_id="i2")
    returned.beat()
    assert (returned.partitions, returned.epoch) == (owned_before, epoch)
    assert set(simulated.members) == {"m1", "m3"}
    second.epoch = epoch
    assert second.beat().refusal is GroupRefusal.FENCED_INSTANCE_ID


@pytest.mark.parametrize("instance_id", [None, "i"])
def test_member_that_joins_again_keeps_its_assignment(simulated, instance_id):
    first, second = Reader(simulated, "m1", instance_id=instance_id), Reader(simulated, "m2")
    settle(first)
    settle(first, second)
    owned_before, epoch, log = first.owned, first.epoch, dict(simulated.log)
    for _ in range(2):
        first.epoch, first.owned = 0, frozenset()
        assert first.beat().refusal is None
        assert (first.owned, first.epoch) == (owned_before, epoch)
    assert [record for key, record in simulated.log.items() if log[key] != record] == []
    settle(first, second)
    assert second.epoch == epoch, "the assignment of the other member did not change"


def test_member_that_joins_again_has_confirmed_its_revocation(simulated):
    first, second = Reader(simulated, "m1"), Reader(simulated, "m2")
    settle(first)
    second.beat()
    simulated.beat(first.request())
    assert not second.beat().assignment
    first.epoch, first.owned = 0, frozenset()
    first.beat()
    second.beat()
    assert len(first.partitions) == len(second.partitions) == 2


def test_member_may_get_an_instance_id_when_it_joins_again(simulated):
    first, second = Reader(simulated, "m1"), Reader(simulated, "m2")
    settle(first)
    second.beat()
    first.instance_id, first.epoch = "i", 0
    assert first.beat(owned=[]).refusal is None
    assert simulated.members["m1"].instance_id == "i"
    settle(first, second)
    assert len(first.partitions) == len(second.partitions) == 2


def test_instance_id_in_use_is_rejected(simulated):
    Reader(simulated, "m1", instance_id="i").beat()
    response = Reader(simulated, "m2", instance_id="i").beat()
    assert response.refusal is GroupRefusal.UNRELEASED_INSTANCE_ID
    other = Reader(simulated, "m2", instance_id="i")
    assert other.leave().refusal is GroupRefusal.FENCED_INSTANCE_ID


def test_full_group_rejects_new_members():
    simulated = SimulatedConsumerGroup(GroupSettings(max_size=1), a=1)
    reader = Reader(simulated, "m1")
    reader.beat()
    assert Reader(simulated, "m2").beat().refusal is GroupRefusal.GROUP_MAX_SIZE_REACHED
    assert reader.beat().refusal is None


def test_new_and_growing_topics_are_assigned(simulated):
    reader = Reader(simulated, "m1", [], regex="a|c.*")
    settle(reader)
    simulated.set_topics(a=5, b=2, cc=1)
    settle(reader)
    assert reader.partitions == {*(("a", partition) for partition in range(5)), ("cc", 0)}
    epoch = reader.epoch
    simulated.set_topics(a=5, b=9, cc=1)
    settle(reader)
    assert reader.epoch == epoch, "no member subscribes to b"


def test_changed_subscription_changes_the_assignment(simulated):
    reader = Reader(simulated, "m1", ["a"])
    settle(reader)
    reader.names = ["b"]
    settle(reader)
    assert reader.partitions == {("b", 0), ("b", 1)}
