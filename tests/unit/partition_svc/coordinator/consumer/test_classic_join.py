import pytest

from common.ports.classic_groups import GroupProtocol
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.settings import GroupSettings
from tests.support.clients.classic_readers import (
    COOPERATIVE,
    EAGER,
    ClassicReader,
    run,
    subscription,
)
from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup, settle


def world_of(**settings):
    return SimulatedConsumerGroup(GroupSettings(initial_rebalance_delay_ms=0, **settings), a=4, b=2)


@pytest.fixture
def world():
    return world_of()


@pytest.fixture
def two(world):
    """A member of the consumer protocol, which has everything."""
    reader = Reader(world, "m2")
    settle(reader)
    return reader


def join(world, reader, **changes):
    request = reader.join_request(**changes)
    return world.do(lambda: world.group.join(request, "t", world.now_ms, "c1"))


def test_classic_member_gets_a_member_id_first(world, two):
    joined = join(world, ClassicReader(world))
    assert (joined.refusal, joined.member_id) == (GroupRefusal.MEMBER_ID_REQUIRED, "c1")
    assert set(world.members) == {"m2"}
    joined = join(world, ClassicReader(world, member_id="c1"))
    assert (joined.refusal, joined.member_id, joined.generation_id) == (None, "c1", 2)
    assert (joined.leader, joined.members, joined.protocol_name) == ("", (), EAGER)
    assert set(world.members) == {"m2", "c1"}


def test_older_clients_join_without_a_pending_id(world, two):
    assert join(world, ClassicReader(world), needs_member_id=False).member_id == "c1"
    assert set(world.members) == {"m2", "c1"}


@pytest.mark.parametrize("strategies", [(EAGER,), (COOPERATIVE,)])
def test_partitions_of_others_are_assigned_after_their_revocation(world, two, strategies):
    one = ClassicReader(world, strategies=strategies)
    for _ in range(4):
        one.act()
    assert (one.is_settled, one.owned) == (True, frozenset())
    one.act()
    assert one.refusal is None, "what it waits for is not free"
    two.beat()
    two.beat()
    one.act()
    assert one.refusal is GroupRefusal.REBALANCE_IN_PROGRESS
    run(one, two)
    assert len(one.owned) == len(two.owned) == 2


def test_cooperative_member_revokes_before_others_are_assigned(world):
    one = ClassicReader(world, strategies=(COOPERATIVE,))
    run(one)
    two = Reader(world, "m2")
    two.beat()
    one.act()
    one.act()
    assert (one.joined.generation_id, len(one.owned)) == (1, 4), "in its old generation"
    assert two.beat().assignment is None or not two.owned
    one.act()
    assert (len(one.owned), one.wants_join) == (2, True)
    one.wants_join = False
    one.act()
    assert one.refusal is GroupRefusal.REBALANCE_IN_PROGRESS, "it is asked to, if it does not"
    two.beat()
    assert not two.owned, "that it gave them up it says by joining"
    one.act()
    two.beat()
    assert len(two.owned) == 2


def test_changed_subscription_starts_a_new_epoch(world, two):
    one = ClassicReader(world)
    run(one, two)
    one.names, one.wants_join = ["b"], True
    epoch = one.generation
    run(one, two)
    assert one.generation == epoch + 1
    assert one.partitions == {("b", 0), ("b", 1)}
    assert len(two.owned) == 4


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"protocol_type": "connect"}, GroupRefusal.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocols": []}, GroupRefusal.INCONSISTENT_GROUP_PROTOCOL),
        (
            {"protocols": [GroupProtocol("roundrobin", subscription(["a"]))]},
            GroupRefusal.INCONSISTENT_GROUP_PROTOCOL,
        ),
        (
            {"protocols": [GroupProtocol(EAGER, b"\0\1")]},
            GroupRefusal.INCONSISTENT_GROUP_PROTOCOL,
        ),
        ({"session_timeout_ms": 1}, GroupRefusal.INVALID_SESSION_TIMEOUT),
        ({"member_id": "c9", "group_instance_id": "j"}, GroupRefusal.UNKNOWN_MEMBER_ID),
        ({"member_id": "c9", "group_instance_id": "i"}, GroupRefusal.FENCED_INSTANCE_ID),
    ],
)
def test_rejected_join_changes_nothing(world, two, changes, refusal):
    one = ClassicReader(world, instance_id="i")
    run(one, two)
    before = dict(world.log)
    member_id = changes.pop("member_id", "")
    assert join(world, ClassicReader(world, member_id=member_id), **changes).refusal is refusal
    assert world.log == before


def test_full_group_rejects_new_members(two):
    world = world_of(max_size=1)
    settle(Reader(world, "m2"))
    assert join(world, ClassicReader(world)).refusal is GroupRefusal.GROUP_MAX_SIZE_REACHED


def test_returning_static_member_keeps_its_partitions(world, two):
    one = ClassicReader(world, instance_id="i")
    run(one, two)
    again = ClassicReader(world, instance_id="i")
    run(again, two)
    assert again.owned == one.owned
    one.act()
    assert one.refusal is GroupRefusal.FENCED_INSTANCE_ID


def test_classic_member_replaces_a_static_consumer_member_beside_others(world, two):
    three = Reader(world, "m3", instance_id="i")
    settle(two, three)
    back = ClassicReader(world, instance_id="i")
    run(back, two)
    assert back.owned == three.owned
    assert set(world.members) == {"m2", back.member_id}
