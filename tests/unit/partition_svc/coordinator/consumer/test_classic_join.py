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


def simulated_group(**settings):
    return SimulatedConsumerGroup(GroupSettings(initial_rebalance_delay_ms=0, **settings), a=4, b=2)


@pytest.fixture
def simulated():
    return simulated_group()


@pytest.fixture
def consumer(simulated):
    """A member of the consumer protocol that owns all partitions."""
    reader = Reader(simulated, "m2")
    settle(reader)
    return reader


def join(simulated, reader, **changes):
    request = reader.join_request(**changes)
    return simulated.do(lambda: simulated.group.join(request, "t", simulated.now_ms, "c1"))


def test_classic_member_gets_a_member_id_first(simulated, consumer):
    joined = join(simulated, ClassicReader(simulated))
    assert (joined.refusal, joined.member_id) == (GroupRefusal.MEMBER_ID_REQUIRED, "c1")
    assert set(simulated.members) == {"m2"}
    joined = join(simulated, ClassicReader(simulated, member_id="c1"))
    assert (joined.refusal, joined.member_id, joined.generation_id) == (None, "c1", 2)
    assert (joined.leader, joined.members, joined.protocol_name) == ("", (), EAGER)
    assert set(simulated.members) == {"m2", "c1"}


def test_older_clients_join_without_a_pending_id(simulated, consumer):
    assert join(simulated, ClassicReader(simulated), needs_member_id=False).member_id == "c1"
    assert set(simulated.members) == {"m2", "c1"}


@pytest.mark.parametrize("strategies", [(EAGER,), (COOPERATIVE,)])
def test_partitions_of_others_are_assigned_after_their_revocation(simulated, consumer, strategies):
    classic = ClassicReader(simulated, strategies=strategies)
    for _ in range(4):
        classic.act()
    assert (classic.is_settled, classic.owned) == (True, frozenset())
    classic.act()
    assert classic.refusal is None, "the partitions of its target are not free yet"
    consumer.beat()
    consumer.beat()
    classic.act()
    assert classic.refusal is GroupRefusal.REBALANCE_IN_PROGRESS
    run(classic, consumer)
    assert len(classic.owned) == len(consumer.owned) == 2


def test_cooperative_member_revokes_before_others_are_assigned(simulated):
    classic = ClassicReader(simulated, strategies=(COOPERATIVE,))
    run(classic)
    consumer = Reader(simulated, "m2")
    consumer.beat()
    classic.act()
    classic.act()
    assert (classic.joined.generation_id, len(classic.owned)) == (1, 4), (
        "the member is still in its old generation"
    )
    assert consumer.beat().assignment is None or not consumer.owned
    classic.act()
    assert (len(classic.owned), classic.wants_join) == (2, True)
    classic.wants_join = False
    classic.act()
    assert classic.refusal is GroupRefusal.REBALANCE_IN_PROGRESS, (
        "the heartbeat requests the rejoin"
    )
    consumer.beat()
    assert not consumer.owned, "a cooperative member confirms its revocation by joining"
    classic.act()
    consumer.beat()
    assert len(consumer.owned) == 2


def test_changed_subscription_starts_a_new_epoch(simulated, consumer):
    classic = ClassicReader(simulated)
    run(classic, consumer)
    classic.names, classic.wants_join = ["b"], True
    epoch = classic.generation
    run(classic, consumer)
    assert classic.generation == epoch + 1
    assert classic.partitions == {("b", 0), ("b", 1)}
    assert len(consumer.owned) == 4


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
def test_rejected_join_changes_nothing(simulated, consumer, changes, refusal):
    classic = ClassicReader(simulated, instance_id="i")
    run(classic, consumer)
    before = dict(simulated.log)
    member_id = changes.pop("member_id", "")
    assert (
        join(simulated, ClassicReader(simulated, member_id=member_id), **changes).refusal is refusal
    )
    assert simulated.log == before


def test_full_group_rejects_new_members(consumer):
    simulated = simulated_group(max_size=1)
    settle(Reader(simulated, "m2"))
    assert join(simulated, ClassicReader(simulated)).refusal is GroupRefusal.GROUP_MAX_SIZE_REACHED


def test_returning_static_member_keeps_its_partitions(simulated, consumer):
    classic = ClassicReader(simulated, instance_id="i")
    run(classic, consumer)
    returned = ClassicReader(simulated, instance_id="i")
    run(returned, consumer)
    assert returned.owned == classic.owned
    classic.act()
    assert classic.refusal is GroupRefusal.FENCED_INSTANCE_ID


def test_classic_member_replaces_a_static_consumer_member_beside_others(simulated, consumer):
    static_consumer = Reader(simulated, "m3", instance_id="i")
    settle(consumer, static_consumer)
    returned = ClassicReader(simulated, instance_id="i")
    run(returned, consumer)
    assert returned.owned == static_consumer.owned
    assert set(simulated.members) == {"m2", returned.member_id}
