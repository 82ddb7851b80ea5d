import asyncio
from dataclasses import replace

import pytest

from common.ports.metadata import ClusterChange, Placement, PlacementChange, Topic
from common.ports.moves import Move, MovePhase
from common.ports.partitions import LogId, Refusal
from partition_svc.log.fetch_waiter import FetchWaiter
from partition_svc.log.partition_log import PartitionLog
from partition_svc.log.registry import LogRegistry
from partition_svc.log.tail_cache import TailCache
from partition_svc.store.failures import StorageFailed
from partition_svc.store.keys import CopyMarker, head_key, log_key
from tests.support.stores.log_stores import opened, store_batches
from tests.support.stores.partition_core import CLUSTER_ID, LOG, MEMBER, TOPIC_ID, snapshot, topic

OTHER_TOPIC_ID = b"another of 16 by"


@pytest.fixture
def store(tmp_path):
    with opened(tmp_path) as store:
        yield store


@pytest.fixture
def registry(store):
    return LogRegistry(store, TailCache(1 << 20), member=MEMBER, producer_expiration_ms=1000)


def change(revision, **parts):
    return ClusterChange(revision, CLUSTER_ID, **parts)


def test_no_log_is_served_before_the_first_snapshot(registry):
    assert registry.find(LOG) is Refusal.NOT_OWNER


def test_log_is_opened_on_first_use(registry):
    registry.apply(snapshot(topic()))
    assert registry.logs == {}
    log = registry.find(LOG)
    assert isinstance(log, PartitionLog)
    assert registry.find(LOG) is log
    assert set(registry.logs) == {LOG}


@pytest.mark.parametrize(
    ("log_id", "refusal"),
    [
        (LogId(TOPIC_ID, 4), Refusal.UNKNOWN_TOPIC_OR_PARTITION),
        (LogId(TOPIC_ID, -1), Refusal.UNKNOWN_TOPIC_OR_PARTITION),
        (LogId(b"", 0), Refusal.UNKNOWN_TOPIC_OR_PARTITION),
        (LogId(OTHER_TOPIC_ID, 0), Refusal.NOT_OWNER),
    ],
)
def test_logs_of_other_members_are_refused(registry, log_id, refusal):
    registry.apply(snapshot(topic(), topic(OTHER_TOPIC_ID, owner="partition-1")))
    assert registry.find(log_id) is refusal
    assert registry.logs == {}


def test_new_configs_reach_open_logs(registry):
    registry.apply(snapshot(topic()))
    log = registry.find(LOG)
    registry.apply(change(2, topics=[topic(configs={"max.message.bytes": "5"})]))
    assert log.config.message_bytes_max == 5
    registry.apply(change(3, topics=[topic()], broker_configs={"message.max.bytes": "6"}))
    assert log.config.message_bytes_max == 6


def test_logs_of_a_topic_replaced_under_its_name_are_closed(registry):
    registry.apply(snapshot(topic()))
    log = registry.find(LOG)
    replaced = Topic(OTHER_TOPIC_ID, topic().name, topic().partitions)
    registry.apply(change(2, topics=[replaced]))
    assert log.closed_reason
    assert isinstance(registry.find(LogId(OTHER_TOPIC_ID, 0)), PartitionLog)


def test_new_epoch_wakes_waiting_fetches(registry):
    async def test():
        registry.apply(snapshot(topic()))
        log = registry.find(LOG)
        with FetchWaiter() as waiter:
            waiter.watch(log, 100)
            registry.apply(change(2, topics=[topic(leader_epoch=1)]))
            assert waiter.changed == {log}
        assert registry.find(LOG) is log
        assert log.leader_epoch == 1

    asyncio.run(test())


@pytest.mark.parametrize(
    "removal",
    [
        {"deleted_topics": [TOPIC_ID]},
        {"topics": [topic(owner="partition-1")]},
        {"is_snapshot": True},
    ],
    ids=["deleted", "moved", "missing in a snapshot"],
)
def test_closed_log_has_a_reason_and_wakes_waiters(registry, removal):
    registry.apply(snapshot(topic()))
    log = registry.find(LOG)
    registry.apply(change(2, **removal))
    assert log.closed_reason
    assert registry.logs == {}


MOVED_TOPIC_ID = b"moved elsewhere!"


def test_topic_is_deleted_only_if_the_metadata_service_says_so(registry):
    own, other = log_key(TOPIC_ID, 0), log_key(OTHER_TOPIC_ID, 0)
    assert not registry.is_deleted(other)
    assert not registry.is_stray(other)
    registry.apply(snapshot(topic()))
    assert (registry.is_deleted(other), registry.is_stray(other)) == (False, True)
    deleted = replace(snapshot(topic()), deleted_topics=[OTHER_TOPIC_ID])
    registry.apply(deleted)
    assert (registry.is_deleted(other), registry.is_stray(other)) == (True, False)
    assert (registry.is_deleted(own), registry.is_stray(own)) == (False, False)
    registry.apply(change(2, deleted_topics=[TOPIC_ID]))
    assert (registry.is_deleted(own), registry.is_stray(own)) == (True, False)


@pytest.mark.parametrize(
    ("leader_epoch", "move", "is_copy", "is_stray"),
    [
        (4, None, False, True),
        (3, None, False, True),
        # A move explains these logs.
        (4, Move(1, MOVED_TOPIC_ID, 0, MEMBER, "partition-1", 3, MovePhase.COMMIT), False, False),
        (4, Move(1, MOVED_TOPIC_ID, 0, "partition-1", MEMBER, 4, MovePhase.PREPARE), False, False),
        (4, None, True, False),
    ],
    ids=["moved", "behind", "committed", "incoming", "copy"],
)
def test_log_of_another_owner_is_stray_if_no_move_explains_it(
    store, leader_epoch, move, is_copy, is_stray
):
    markers = {LogId(MOVED_TOPIC_ID, 0): CopyMarker(1, 3)} if is_copy else {}
    registry = LogRegistry(
        store, TailCache(1 << 20), member=MEMBER, producer_expiration_ms=10**9, markers=markers
    )
    key = log_key(MOVED_TOPIC_ID, 0)
    store_batches(store, 0, b"x", log=key)
    atomic_write = store.new_write()
    atomic_write.put(head_key(key), store.head(key)._replace(leader_epoch=3).pack())
    store.write(atomic_write, 0)
    topic_of_another_member = topic(MOVED_TOPIC_ID, owner="partition-1", leader_epoch=leader_epoch)
    moves = [move] if move else []
    registry.apply(
        ClusterChange(1, "c", is_snapshot=True, topics=[topic_of_another_member], moves=moves)
    )
    assert registry.is_stray(key) is is_stray
    assert not registry.is_deleted(key)
    assert not registry.serves(LogId(MOVED_TOPIC_ID, 0))


@pytest.mark.parametrize(
    ("marker", "refusal"),
    [
        (CopyMarker(1, 2), Refusal.MOVING),
        (CopyMarker(1, 3, is_whole=True), Refusal.MOVING),
        (CopyMarker(1, 2, is_whole=True), None),
    ],
    ids=["partial", "not committed", "committed"],
)
def test_a_copy_is_served_when_it_is_complete_and_has_a_new_epoch(store, marker, refusal):
    registry = LogRegistry(
        store, TailCache(0), member=MEMBER, producer_expiration_ms=1, markers={LOG: marker}
    )
    registry.apply(snapshot(topic(leader_epoch=3)))
    found = registry.find(LOG)
    assert (found if isinstance(found, Refusal) else None) is refusal
    assert registry.serves(LOG) is (refusal is None)


def test_a_log_is_served_before_the_view_knows_of_its_move(registry):
    registry.apply(snapshot(topic(owner="partition-1", leader_epoch=3)))
    assert registry.find(LOG) is Refusal.NOT_OWNER
    registry.record_ownership(LOG, 4)
    assert registry.find(LOG).leader_epoch == 4
    # Another change of the topic arrives before the new placement.
    registry.apply(change(2, topics=[topic(owner="partition-1", leader_epoch=3)]))
    assert registry.find(LOG).leader_epoch == 4
    registry.apply(change(3, topics=[topic(leader_epoch=4)]))
    assert registry.find(LOG).leader_epoch == 4
    registry.apply(change(4, topics=[topic(owner="partition-1", leader_epoch=5)]))
    assert registry.find(LOG) is Refusal.NOT_OWNER
    # This call comes late: the partition has moved on since.
    registry.record_ownership(LOG, 4)
    assert registry.find(LOG) is Refusal.NOT_OWNER


def test_owned_logs_are_the_partitions_that_this_member_owns(registry):
    placements = (Placement("partition-1", 0), Placement(MEMBER, 0))
    shared = Topic(OTHER_TOPIC_ID, "shared", placements)
    registry.apply(snapshot(topic(partitions=2), shared))
    assert set(registry.owned_logs()) == {
        LogId(TOPIC_ID, 0),
        LogId(TOPIC_ID, 1),
        LogId(OTHER_TOPIC_ID, 1),
    }


def test_a_thousand_logs_are_opened_without_reading_them(registry):
    registry.apply(snapshot(topic(partitions=1000)))
    logs = [registry.find(LogId(TOPIC_ID, partition)) for partition in range(1000)]
    assert all(isinstance(log, PartitionLog) for log in logs)


def test_reload_after_reopening_resets_all_logs_to_the_store(registry):
    registry.apply(snapshot(topic()))
    log = registry.find(LOG)
    store_batches(registry._store, 0, b"x", log=log.key)
    assert log.next_offset == 0
    registry.reload()
    assert log.next_offset == 10


def test_reload_closes_unreadable_logs_and_resets_the_others(registry, store, monkeypatch):
    registry.apply(snapshot(topic()))
    damaged, sound = registry.find(LOG), registry.find(LogId(TOPIC_ID, 1))
    sound.next_offset = 5
    head = store.head

    def fail_for_damaged(key):
        if key == damaged.key:
            raise StorageFailed("damaged")
        return head(key)

    with monkeypatch.context() as patch:
        patch.setattr(store, "head", fail_for_damaged)
        # True: new epochs must begin, because records that cannot be read may be lost.
        assert registry.reload()
        assert (sound.next_offset, damaged.closed_reason) == (0, Refusal.KAFKA_STORAGE_ERROR)
        with pytest.raises(StorageFailed):
            registry.find(LOG)
    reopened = registry.find(LOG)
    assert reopened is not damaged
    assert reopened.is_fenced
    registry.apply(change(2, placements=[PlacementChange(*LOG, Placement(MEMBER, 1))]))
    assert not reopened.is_fenced


def test_compacted_logs_are_those_of_this_member_that_do_not_move(registry):
    compacted = topic(OTHER_TOPIC_ID, partitions=2, configs={"cleanup.policy": "delete,compact"})
    topic_of_another_member = topic(
        MOVED_TOPIC_ID, owner="partition-1", configs={"cleanup.policy": "compact"}
    )
    move = Move(1, OTHER_TOPIC_ID, 0, MEMBER, "partition-1", 0, MovePhase.PREPARE)
    topics = [topic(), compacted, topic_of_another_member]
    registry.apply(ClusterChange(1, "c", is_snapshot=True, topics=topics, moves=[move]))
    assert registry.owned_compacted_logs() == [LogId(OTHER_TOPIC_ID, 1)]
