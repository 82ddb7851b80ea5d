import pytest

from common.ports.classic_groups import GroupHeartbeat, LeaveGroup, LeavingMember, SyncGroup
from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import FetchOffsets
from partition_svc.coordinator.records.consumer_protocol import read_assignment
from tests.support.clients.classic_readers import ClassicReader, run
from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup

REBALANCE = GroupRefusal.REBALANCE_IN_PROGRESS


@pytest.fixture
def simulated():
    return SimulatedConsumerGroup(a=4)


@pytest.fixture
def members(simulated):
    """The members of a settled group: a classic one and one of the consumer protocol."""
    classic, consumer = ClassicReader(simulated, instance_id="i"), Reader(simulated, "m2")
    run(classic)
    run(classic, consumer)
    return classic, consumer


def call_group(simulated, call):
    return simulated.do(lambda: call("t", simulated.now_ms))


def sync(simulated, member, **changes):
    fields = {"member_id": member.member_id, "generation_id": member.generation}
    request = SyncGroup("g", **(fields | changes))
    return call_group(
        simulated, lambda ticket, now_ms: simulated.group.sync(request, ticket, now_ms)
    )


def heartbeat(simulated, member_id, generation_id, instance_id=None):
    request = GroupHeartbeat("g", member_id, generation_id, instance_id)
    return call_group(
        simulated, lambda ticket, now_ms: simulated.group.heartbeat(request, ticket, now_ms)
    ).refusal


def leave(simulated, *members):
    request = LeaveGroup("g", [LeavingMember(*ids) for ids in members])
    response = call_group(
        simulated, lambda ticket, now_ms: simulated.group.leave(request, ticket, now_ms)
    )
    return [member.refusal for member in response.members]


def test_sync_returns_the_assignment_of_the_group(simulated, members):
    classic, _ = members
    synced = sync(simulated, classic, protocol_type="consumer", protocol_name="range")
    assert (synced.refusal, synced.protocol_type, synced.protocol_name) == (
        None,
        "consumer",
        "range",
    )
    assert set(read_assignment(synced.assignment)) == classic.partitions
    assert synced.assignment[:2] == b"\0\1", "the version is that of the member's subscription"


def test_sync_returns_the_assignment_after_a_load(simulated, members):
    classic, _ = members
    simulated.crash()
    assert set(read_assignment(sync(simulated, classic).assignment)) == classic.partitions


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
def test_sync_of_other_members_is_rejected(simulated, members, changes, refusal):
    assert sync(simulated, members[0], **changes).refusal is refusal


def test_sync_and_heartbeat_return_rebalance_in_progress_with_new_targets(simulated, members):
    classic, _ = members
    Reader(simulated, "m3").beat()
    assert sync(simulated, classic).refusal is REBALANCE
    assert heartbeat(simulated, classic.member_id, classic.generation) is REBALANCE
    assert classic.commit(5) is None


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (("m9", 2), GroupRefusal.UNKNOWN_MEMBER_ID),
        (("m2", 2), GroupRefusal.UNKNOWN_MEMBER_ID),
        (("m9", 2, "i"), GroupRefusal.FENCED_INSTANCE_ID),
    ],
)
def test_heartbeat_of_other_members_is_rejected(simulated, members, arguments, refusal):
    assert heartbeat(simulated, *arguments) is refusal


def test_heartbeat_must_have_the_generation(simulated, members):
    classic, _ = members
    assert heartbeat(simulated, classic.member_id, classic.generation, "i") is None
    illegal = GroupRefusal.ILLEGAL_GENERATION
    assert heartbeat(simulated, classic.member_id, classic.generation + 1) is illegal


def test_heartbeat_notices_topics_that_grew(simulated, members):
    classic, consumer = members
    simulated.set_topics(a=6)
    assert heartbeat(simulated, classic.member_id, classic.generation) is REBALANCE
    run(classic, consumer)
    assert len(classic.owned) == len(consumer.owned) == 3


def test_member_that_does_not_join_in_time_is_removed(simulated, members):
    classic, consumer = members
    new_consumer = Reader(simulated, "m3")
    new_consumer.beat()
    assert heartbeat(simulated, classic.member_id, classic.generation) is REBALANCE
    for _ in range(6):
        simulated.sleep(9_999)
        heartbeat(simulated, classic.member_id, classic.generation)
        consumer.beat()
        new_consumer.beat()
    assert classic.member_id in simulated.members
    simulated.sleep(10)
    assert set(simulated.members) == {"m2", "m3"}


def test_member_that_does_not_sync_in_time_is_removed(simulated, members):
    classic, consumer = members
    classic.wants_join = True
    classic.act()
    for _ in range(6):
        simulated.sleep(9_999)
        heartbeat(simulated, classic.member_id, classic.generation)
        consumer.beat()
    assert classic.member_id in simulated.members
    simulated.sleep(10)
    assert set(simulated.members) == {"m2"}


def test_classic_member_has_its_own_session_timeout(simulated, members):
    classic, consumer = members
    simulated.sleep(44_000)
    consumer.beat()
    heartbeat(simulated, classic.member_id, classic.generation)
    simulated.crash()
    simulated.sleep(44_999)
    consumer.beat()
    assert classic.member_id in simulated.members
    simulated.sleep(1)
    assert set(simulated.members) == {"m2"}
    run(consumer)
    assert len(consumer.owned) == 4


def test_members_leave_by_member_id_or_instance_id(simulated, members):
    classic, consumer = members
    assert leave(simulated, ("m9",), ("m9", "i"), ("", "j")) == [
        GroupRefusal.UNKNOWN_MEMBER_ID,
        GroupRefusal.FENCED_INSTANCE_ID,
        GroupRefusal.UNKNOWN_MEMBER_ID,
    ]
    assert set(simulated.members) == {"m2", classic.member_id}
    assert leave(simulated, ("", "i")) == [None]
    assert set(simulated.members) == {"m2"}
    run(consumer)
    assert len(consumer.owned) == 4


def test_operators_remove_members_of_the_consumer_protocol_too(simulated, members):
    classic, _ = members
    assert leave(simulated, ("m2",), ("m2",)) == [None, None]
    assert "m2" not in simulated.members
    assert leave(simulated, ("m2",)) == [GroupRefusal.UNKNOWN_MEMBER_ID]
    run(classic)
    assert len(classic.partitions) == 4


def test_offset_errors_are_those_of_the_members_protocol(simulated, members):
    classic, _ = members
    assert classic.commit(5) is None
    assert classic.commit(6, predates_epochs=True) is None
    classic.generation += 1
    assert classic.commit(7) is GroupRefusal.ILLEGAL_GENERATION
    responses = [
        call_group(
            simulated,
            lambda ticket, now_ms, identity=identity: simulated.group.fetch(
                FetchOffsets("g", None, *identity), ticket, now_ms
            ),
        )
        for identity in (
            (classic.member_id, 2),
            (classic.member_id, 1),
            ("m2", 1),
            ("m9", 2),
            (None, -1),
        )
    ]
    assert [response.refusal for response in responses] == [
        None,
        GroupRefusal.ILLEGAL_GENERATION,
        GroupRefusal.STALE_MEMBER_EPOCH,
        GroupRefusal.UNKNOWN_MEMBER_ID,
        None,
    ]
    assert [offset.offset for offset in responses[0].offsets] == [6]
