import pytest

from common.ports.classic_groups import GroupHeartbeat, LeaveGroup, LeavingMember, SyncGroup
from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import FetchOffsets
from partition_svc.coordinator.records.consumer_protocol import read_assignment
from tests.support.clients.classic_readers import ClassicReader, run
from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup

REBALANCE = GroupRefusal.REBALANCE_IN_PROGRESS


@pytest.fixture
def world():
    return SimulatedConsumerGroup(a=4)


@pytest.fixture
def group(world):
    """A settled group of a classic member and one of the consumer protocol."""
    one, two = ClassicReader(world, instance_id="i"), Reader(world, "m2")
    run(one)
    run(one, two)
    return one, two


def ask(world, call):
    return world.do(lambda: call("t", world.now_ms))


def sync(world, one, **changes):
    asked = {"member_id": one.member_id, "generation_id": one.generation}
    request = SyncGroup("g", **(asked | changes))
    return ask(world, lambda ticket, now_ms: world.group.sync(request, ticket, now_ms))


def heartbeat(world, member_id, generation_id, instance_id=None):
    request = GroupHeartbeat("g", member_id, generation_id, instance_id)
    return ask(world, lambda ticket, now_ms: world.group.heartbeat(request, ticket, now_ms)).refusal


def leave(world, *members):
    request = LeaveGroup("g", [LeavingMember(*one) for one in members])
    left = ask(world, lambda ticket, now_ms: world.group.leave(request, ticket, now_ms))
    return [one.refusal for one in left.members]


def test_sync_returns_the_assignment_of_the_group(world, group):
    one, _ = group
    synced = sync(world, one, protocol_type="consumer", protocol_name="range")
    assert (synced.refusal, synced.protocol_type, synced.protocol_name) == (
        None,
        "consumer",
        "range",
    )
    assert set(read_assignment(synced.assignment)) == one.partitions
    assert synced.assignment[:2] == b"\0\1", "in the version of its subscription"


def test_sync_returns_the_assignment_after_a_load(world, group):
    one, _ = group
    world.crash()
    assert set(read_assignment(sync(world, one).assignment)) == one.partitions


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"member_id": "m9"}, GroupRefusal.UNKNOWN_MEMBER_ID),
        ({"member_id": "m2"}, GroupRefusal.UNKNOWN_MEMBER_ID),
        ({"member_id": "m9", "group_instance_id": "i"}, GroupRefusal.FENCED_INSTANCE_ID),
        ({"group_instance_id": "j"}, GroupRefusal.UNKNOWN_MEMBER_ID),
        ({"generation_id": 1}, GroupRefusal.ILLEGAL_GENERATION),
        ({"protocol_type": "connect"}, GroupRefusal.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol_name": "roundrobin"}, GroupRefusal.INCONSISTENT_GROUP_PROTOCOL),
    ],
)
def test_sync_of_other_members_is_rejected(world, group, changes, refusal):
    assert sync(world, group[0], **changes).refusal is refusal


def test_sync_and_heartbeat_return_rebalance_in_progress_with_new_targets(world, group):
    one, _ = group
    Reader(world, "m3").beat()
    assert sync(world, one).refusal is REBALANCE
    assert heartbeat(world, one.member_id, one.generation) is REBALANCE
    assert one.commit(5) is None


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        (("m9", 2), GroupRefusal.UNKNOWN_MEMBER_ID),
        (("m2", 2), GroupRefusal.UNKNOWN_MEMBER_ID),
        (("m9", 2, "i"), GroupRefusal.FENCED_INSTANCE_ID),
    ],
)
def test_heartbeat_of_other_members_is_rejected(world, group, asked, refusal):
    assert heartbeat(world, *asked) is refusal


def test_heartbeat_must_have_the_generation(world, group):
    one, _ = group
    assert heartbeat(world, one.member_id, one.generation, "i") is None
    illegal = GroupRefusal.ILLEGAL_GENERATION
    assert heartbeat(world, one.member_id, one.generation + 1) is illegal


def test_heartbeat_notices_topics_that_grew(world, group):
    one, two = group
    world.set_topics(a=6)
    assert heartbeat(world, one.member_id, one.generation) is REBALANCE
    run(one, two)
    assert len(one.owned) == len(two.owned) == 3


def test_member_that_does_not_join_in_time_is_removed(world, group):
    one, two = group
    three = Reader(world, "m3")
    three.beat()
    assert heartbeat(world, one.member_id, one.generation) is REBALANCE
    for _ in range(6):
        world.sleep(9_999)
        heartbeat(world, one.member_id, one.generation)
        two.beat()
        three.beat()
    assert one.member_id in world.members
    world.sleep(10)
    assert set(world.members) == {"m2", "m3"}


def test_member_that_does_not_sync_in_time_is_removed(world, group):
    one, two = group
    one.wants_join = True
    one.act()
    for _ in range(6):
        world.sleep(9_999)
        heartbeat(world, one.member_id, one.generation)
        two.beat()
    assert one.member_id in world.members
    world.sleep(10)
    assert set(world.members) == {"m2"}


def test_classic_member_has_its_own_session_timeout(world, group):
    one, two = group
    world.sleep(44_000)
    two.beat()
    heartbeat(world, one.member_id, one.generation)
    world.crash()
    world.sleep(44_999)
    two.beat()
    assert one.member_id in world.members
    world.sleep(1)
    assert set(world.members) == {"m2"}
    run(two)
    assert len(two.owned) == 4


def test_members_leave_by_member_id_or_instance_id(world, group):
    one, two = group
    assert leave(world, ("m9",), ("m9", "i"), ("", "j")) == [
        GroupRefusal.UNKNOWN_MEMBER_ID,
        GroupRefusal.FENCED_INSTANCE_ID,
        GroupRefusal.UNKNOWN_MEMBER_ID,
    ]
    assert set(world.members) == {"m2", one.member_id}
    assert leave(world, ("", "i")) == [None]
    assert set(world.members) == {"m2"}
    run(two)
    assert len(two.owned) == 4


def test_operators_remove_members_of_the_consumer_protocol_too(world, group):
    one, _ = group
    assert leave(world, ("m2",), ("m2",)) == [None, None]
    assert "m2" not in world.members
    assert leave(world, ("m2",)) == [GroupRefusal.UNKNOWN_MEMBER_ID]
    run(one)
    assert len(one.partitions) == 4


def test_offset_errors_are_those_of_the_members_protocol(world, group):
    one, _ = group
    assert one.commit(5) is None
    assert one.commit(6, predates_epochs=True) is None
    one.generation += 1
    assert one.commit(7) is GroupRefusal.ILLEGAL_GENERATION
    fetched = [
        ask(
            world,
            lambda ticket, now_ms, of=of: world.group.fetch(
                FetchOffsets("g", None, *of), ticket, now_ms
            ),
        )
        for of in ((one.member_id, 2), (one.member_id, 1), ("m2", 1), ("m9", 2), (None, -1))
    ]
    assert [one.refusal for one in fetched] == [
        None,
        GroupRefusal.ILLEGAL_GENERATION,
        GroupRefusal.STALE_MEMBER_EPOCH,
        GroupRefusal.UNKNOWN_MEMBER_ID,
        None,
    ]
    assert [one.offset for one in fetched[0].offsets] == [6]
