import pytest

from common.ports.consumer_groups import OwnedPartitions
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.settings import GroupSettings
from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup, settle


@pytest.fixture
def world():
    return SimulatedConsumerGroup(a=4, b=2)


def test_first_member_is_assigned_all_partitions_at_once(world):
    one = Reader(world, "m1", ["a", "b", "none"])
    taken = one.beat()
    assert (taken.member_id, taken.member_epoch, taken.heartbeat_interval_ms) == ("m1", 1, 5_000)
    assert one.partitions == {("a", 0), ("a", 1), ("a", 2), ("a", 3), ("b", 0), ("b", 1)}


def test_unchanged_heartbeat_writes_nothing_and_returns_no_assignment(world):
    one = Reader(world, "m1")
    one.beat()
    size = dict(world.log)
    says_nothing = {"rebalance_timeout_ms": -1, "subscribed_topic_names": None, "owned": None}
    assert one.beat(**says_nothing).assignment is None
    assert one.beat().assignment is not None, "who says everything is told everything"
    assert world.log == size


def test_heartbeat_without_member_id_gets_one(world):
    assert Reader(world, "").beat().member_id == "new-0"


def test_partitions_are_revoked_before_others_are_assigned_them(world):
    one, two = Reader(world, "m1"), Reader(world, "m2")
    one.beat()
    assert two.beat().assignment == []
    told = world.beat(one.request())
    assert [list(part.partitions) for part in told.assignment] == [[0, 1]]
    assert world.state == "Reconciling"
    assert two.beat().assignment == [], "they were not said to be given up"
    one.take(told)
    one.beat()
    two.beat()
    assert one.partitions | two.partitions == {("a", part) for part in range(4)}
    assert not one.partitions & two.partitions
    assert world.state == "Stable"


def test_repeated_heartbeat_gets_the_same_response(world):
    one = Reader(world, "m1")
    world.beat(one.request())
    taken = one.beat()
    assert taken.refusal is None
    assert len(one.partitions) == 4


@pytest.mark.parametrize("epoch", [1, 4])
def test_other_epochs_are_fenced(world, epoch):
    one, two = Reader(world, "m1"), Reader(world, "m2")
    settle(one)
    settle(one, two)
    Reader(world, "m3").beat()
    settle(two, one)
    one.epoch = 99 if epoch == 4 else epoch
    taken = one.beat()
    assert taken.refusal is GroupRefusal.FENCED_MEMBER_EPOCH
    assert "must abandon all its partitions" in taken.message


def test_unknown_groups_and_members_are_rejected(world):
    stranger = Reader(world, "m9", epoch=3)
    assert stranger.beat().refusal is GroupRefusal.GROUP_ID_NOT_FOUND
    Reader(world, "m1").beat()
    assert stranger.beat().refusal is GroupRefusal.UNKNOWN_MEMBER_ID


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
def test_invalid_heartbeat_changes_nothing(world, changes, refusal):
    request = Reader(world, "m1").request()
    for name, value in changes.items():
        setattr(request, name, value)
    taken = world.beat(request)
    assert taken.refusal is refusal
    assert taken.message
    assert not world.log
    assert not world.group.exists


@pytest.mark.parametrize(
    "changes",
    [
        {"subscribed_topic_names": ["a"] * 100_001},
        {"owned": [OwnedPartitions(bytes(16), range(60_000))] * 2},
        {"owned": [OwnedPartitions(bytes(16), [])] * 100_001},
    ],
)
def test_too_many_topics_or_partitions_are_rejected(world, changes):
    one = Reader(world, "m1")
    settle(one)
    assert one.beat(**changes).refusal is GroupRefusal.INVALID_REQUEST
    assert one.beat().refusal is None


def test_leaving_member_releases_its_partitions(world):
    one, two = Reader(world, "m1"), Reader(world, "m2")
    settle(one)
    settle(one, two)
    assert two.leave().member_epoch == -1
    settle(one)
    assert len(one.partitions) == 4
    one.leave()
    assert world.state == "Empty"


def test_returning_static_member_keeps_its_partitions(world):
    one, two = Reader(world, "m1", instance_id="i1"), Reader(world, "m2", instance_id="i2")
    settle(one)
    settle(one, two)
    had, epoch = two.partitions, two.epoch
    assert two.leave(-2).member_epoch == -2
    settle(one)
    again = Reader(world, "m3", instance_id="i2")
    again.beat()
    assert (again.partitions, again.epoch) == (had, epoch)
    assert set(world.members) == {"m1", "m3"}
    two.epoch = epoch
    assert two.beat().refusal is GroupRefusal.FENCED_INSTANCE_ID


@pytest.mark.parametrize("instance_id", [None, "i"])
def test_member_that_joins_again_keeps_its_assignment(world, instance_id):
    one, two = Reader(world, "m1", instance_id=instance_id), Reader(world, "m2")
    settle(one)
    settle(one, two)
    had, epoch, log = one.owned, one.epoch, dict(world.log)
    for _ in range(2):
        one.epoch, one.owned = 0, frozenset()
        assert one.beat().refusal is None
        assert (one.owned, one.epoch) == (had, epoch)
    assert [record for key, record in world.log.items() if log[key] != record] == []
    settle(one, two)
    assert two.epoch == epoch, "nobody else has to do anything"


def test_member_that_joins_again_has_confirmed_its_revocation(world):
    one, two = Reader(world, "m1"), Reader(world, "m2")
    settle(one)
    two.beat()
    world.beat(one.request())
    assert not two.beat().assignment
    one.epoch, one.owned = 0, frozenset()
    one.beat()
    two.beat()
    assert len(one.partitions) == len(two.partitions) == 2


def test_member_may_get_an_instance_id_when_it_joins_again(world):
    one, two = Reader(world, "m1"), Reader(world, "m2")
    settle(one)
    two.beat()
    one.instance_id, one.epoch = "i", 0
    assert one.beat(owned=[]).refusal is None
    assert world.members["m1"].instance_id == "i"
    settle(one, two)
    assert len(one.partitions) == len(two.partitions) == 2


def test_instance_id_in_use_is_rejected(world):
    Reader(world, "m1", instance_id="i").beat()
    taken = Reader(world, "m2", instance_id="i").beat()
    assert taken.refusal is GroupRefusal.UNRELEASED_INSTANCE_ID
    other = Reader(world, "m2", instance_id="i")
    assert other.leave().refusal is GroupRefusal.FENCED_INSTANCE_ID


def test_full_group_rejects_new_members():
    world = SimulatedConsumerGroup(GroupSettings(max_size=1), a=1)
    one = Reader(world, "m1")
    one.beat()
    assert Reader(world, "m2").beat().refusal is GroupRefusal.GROUP_MAX_SIZE_REACHED
    assert one.beat().refusal is None


def test_new_and_growing_topics_are_assigned(world):
    one = Reader(world, "m1", [], regex="a|c.*")
    settle(one)
    world.set_topics(a=5, b=2, cc=1)
    settle(one)
    assert one.partitions == {*(("a", part) for part in range(5)), ("cc", 0)}
    epoch = one.epoch
    world.set_topics(a=5, b=9, cc=1)
    settle(one)
    assert one.epoch == epoch, "nobody reads b"


def test_changed_subscription_changes_the_assignment(world):
    one = Reader(world, "m1", ["a"])
    settle(one)
    one.names = ["b"]
    settle(one)
    assert one.partitions == {("b", 0), ("b", 1)}
