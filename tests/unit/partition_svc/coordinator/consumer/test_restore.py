import pytest

from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup, settle


@pytest.fixture
def simulated():
    return SimulatedConsumerGroup(a=4)


def test_restored_group_is_unchanged(simulated):
    first, second = Reader(simulated, "m1", instance_id="i"), Reader(simulated, "m2", [], regex="a")
    settle(first)
    settle(second, first)
    before = simulated.group.describe_consumer()
    simulated.crash()
    log = dict(simulated.log)
    first.beat()
    second.beat()
    assert simulated.group.describe_consumer() == before
    assert simulated.log == log, "no record was written again"


def test_revocation_is_restored(simulated):
    first, second = Reader(simulated, "m1"), Reader(simulated, "m2")
    settle(first)
    second.beat()
    simulated.beat(first.request())
    simulated.crash()
    assert second.beat().assignment == []
    simulated.sleep(10_000)
    assert set(simulated.members) == {"m2"}, "the timeout to revoke started again"


def test_restored_members_have_new_sessions(simulated):
    Reader(simulated, "m1").beat()
    simulated.sleep(44_000)
    simulated.crash()
    simulated.sleep(44_000)
    assert set(simulated.members) == {"m1"}
    simulated.sleep(1_000)
    assert not simulated.members


def test_deleted_group_is_not_restored(simulated):
    reader = Reader(simulated, "m1")
    reader.beat()
    reader.leave()
    simulated.do(lambda: simulated.group.delete("t", simulated.now_ms))
    assert not simulated.log
    simulated.crash()
    assert not simulated.group.exists


def test_topics_that_grew_before_the_load_are_assigned(simulated):
    reader = Reader(simulated, "m1")
    settle(reader)
    simulated.crash()
    simulated.set_topics(a=5)
    settle(reader)
    assert len(reader.partitions) == 5
