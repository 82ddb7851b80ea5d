import asyncio

import pytest

from common.ports.metadata import ClusterChange, Placement, Topic
from common.ports.partitions import LogId, Refusal
from partition_svc.log.partition_log import PartitionLog
from partition_svc.log.registry import LogRegistry
from partition_svc.log.tail_cache import TailCache
from partition_svc.log.waiters import FetchWaiter
from partition_svc.store.keys import log_key
from tests.support.log_stores import opened, store_batches
from tests.support.partition_core import CLUSTER_ID, LOG, MEMBER, TOPIC_ID, snapshot, topic

OTHER_ID = b"another of 16 by"


@pytest.fixture
def registry(tmp_path):
    with opened(tmp_path) as store:
        yield LogRegistry(store, TailCache(1 << 20), member=MEMBER, producer_expiration_ms=1000)


def change(revision, **what):
    return ClusterChange(revision, CLUSTER_ID, **what)


def test_before_the_first_snapshot_no_log_is_served(registry):
    assert registry.find(LOG) is Refusal.NOT_OWNER


def test_a_log_is_opened_when_it_is_first_asked_for(registry):
    registry.apply(snapshot(topic()))
    assert registry.logs == {}
    log = registry.find(LOG)
    assert isinstance(log, PartitionLog)
    assert registry.find(LOG) is log
    assert set(registry.logs) == {LOG}


@pytest.mark.parametrize(
    ("wanted", "refusal"),
    [
        (LogId(TOPIC_ID, 4), Refusal.UNKNOWN_PARTITION),
        (LogId(TOPIC_ID, -1), Refusal.UNKNOWN_PARTITION),
        (LogId(b"", 0), Refusal.UNKNOWN_PARTITION),
        (LogId(OTHER_ID, 0), Refusal.NOT_OWNER),
    ],
)
def test_what_is_not_here_is_refused(registry, wanted, refusal):
    registry.apply(snapshot(topic(), topic(OTHER_ID, owner="partition-1")))
    assert registry.find(wanted) is refusal
    assert registry.logs == {}


def test_new_configs_reach_open_logs(registry):
    registry.apply(snapshot(topic()))
    log = registry.find(LOG)
    registry.apply(change(2, topics=[topic(configs={"max.message.bytes": "5"})]))
    assert log.config.message_bytes_max == 5
    registry.apply(change(3, topics=[topic()], broker_configs={"message.max.bytes": "6"}))
    assert log.config.message_bytes_max == 6


def test_a_topic_that_is_replaced_under_its_name_takes_its_logs_along(registry):
    registry.apply(snapshot(topic()))
    log = registry.find(LOG)
    replaced = Topic(OTHER_ID, topic().name, topic().partitions)
    registry.apply(change(2, topics=[replaced]))
    assert log.gone
    assert isinstance(registry.find(LogId(OTHER_ID, 0)), PartitionLog)


def test_a_new_epoch_wakes_who_waits(registry):
    async def test():
        registry.apply(snapshot(topic()))
        log = registry.find(LOG)
        future = asyncio.get_running_loop().create_future()
        with FetchWaiter(future, [(log, 100)], lacking_bytes=1):
            registry.apply(change(2, topics=[topic(leader_epoch=1)]))
            assert future.done()
        assert registry.find(LOG) is log
        assert log.leader_epoch == 1

    asyncio.run(test())


@pytest.mark.parametrize(
    "going",
    [
        {"topics_gone": [TOPIC_ID]},
        {"topics": [topic(owner="partition-1")]},
        {"is_snapshot": True},
    ],
    ids=["deleted", "moved", "missing in a snapshot"],
)
def test_a_log_that_goes_away_says_so(registry, going):
    registry.apply(snapshot(topic()))
    log = registry.find(LOG)
    registry.apply(change(2, **going))
    assert log.gone
    assert registry.logs == {}


def test_only_data_of_deleted_topics_may_go(registry):
    for topic_id in (TOPIC_ID, OTHER_ID, b"moved elsewhere!"):
        store_batches(registry._store, 0, b"x", log=log_key(topic_id, 0))
    registry.apply(snapshot(topic(), topic(b"moved elsewhere!", owner="partition-1")))
    assert registry.keys_without_topic() == [log_key(OTHER_ID, 0)]


def test_all_here_are_the_partitions_that_this_member_owns(registry):
    placements = (Placement("partition-1", 0), Placement(MEMBER, 0))
    shared = Topic(OTHER_ID, "shared", placements)
    registry.apply(snapshot(topic(partitions=2), shared))
    assert set(registry.all_here()) == {LogId(TOPIC_ID, 0), LogId(TOPIC_ID, 1), LogId(OTHER_ID, 1)}


def test_a_thousand_logs_are_opened_without_reading_them(registry):
    registry.apply(snapshot(topic(partitions=1000)))
    logs = [registry.find(LogId(TOPIC_ID, partition)) for partition in range(1000)]
    assert all(isinstance(log, PartitionLog) for log in logs)


def test_after_the_store_was_opened_again_all_logs_are_what_it_holds(registry):
    registry.apply(snapshot(topic()))
    log = registry.find(LOG)
    store_batches(registry._store, 0, b"x", log=log.key)
    assert log.next_offset == 0
    registry.reload()
    assert log.next_offset == 10
