import asyncio

import pytest

from common.ports.partitions import AppendResult, Refusal
from partition_svc.log.fetch_waiter import FetchWaiter
from partition_svc.log.log_config import LogConfig
from partition_svc.log.partition_log import PartitionLog
from partition_svc.log.staged_batch import AppendReply, StagedBatch
from partition_svc.log.tail_cache import TailCache
from partition_svc.store.keys import LogHead, head_key, log_key, producer_key
from partition_svc.store.reading import ReadLimits
from tests.support.stores.log_stores import opened
from tests.support.stores.partition_core import LOG, base_offset, batch, content

NOW_MS = 1_800_000_000_000
EVERYTHING = ReadLimits(1 << 30, 1 << 30, at_least_one=True)


@pytest.fixture
def store(tmp_path):
    with opened(tmp_path) as store:
        yield store


def open_log(store, *, leader_epoch=3, expiration_ms=10**9):
    return PartitionLog(
        LOG,
        store,
        TailCache(1 << 20),
        config=LogConfig(),
        leader_epoch=leader_epoch,
        producer_expiration_ms=expiration_ms,
    )


def try_stage(log, batch, leader_epoch=-1):
    """Returns the staged batch or the refusal, with a reply that is not awaited."""
    return log.stage(batch, leader_epoch, NOW_MS, AppendReply(None))


def result(staged):
    return staged.reply.results[staged.position]


def stage(log, batch, leader_epoch=-1):
    staged = try_stage(log, batch, leader_epoch)
    assert isinstance(staged, StagedBatch), staged
    return staged


def commit(store, log, *staged_batches):
    """Commits staged batches in one write, as the committer does."""
    atomic_write = store.new_write()
    log.write(atomic_write, staged_batches, store.generation)
    store.write(atomic_write, sum(len(staged.batch) for staged in staged_batches))
    log.on_written(staged_batches)
    log.make_readable(staged_batches)


def append(store, log, *batches):
    for sent in batches:
        commit(store, log, stage(log, sent))


def read_all(store, log):
    return store.reader.read(log.key, 0, log.high_watermark, EVERYTHING).batches


def test_staged_batch_has_offsets_but_is_not_readable(store):
    log = open_log(store)
    first, second = stage(log, batch(3)), stage(log, batch(2))
    assert (first.base_offset, first.next_offset) == (0, 3)
    assert (second.base_offset, second.next_offset) == (3, 5)
    assert (log.next_offset, log.high_watermark) == (5, 0)
    assert result(first) == AppendResult(0, -1, 0)
    assert log.head == LogHead()


def test_a_batch_is_stored_under_its_last_offset_with_offset_and_epoch_in_place(store):
    log = open_log(store, leader_epoch=3)
    append(store, log, batch(3), batch(2))
    found = read_all(store, log)
    assert [base_offset(stored) for stored in found] == [0, 3]
    assert [content(stored) for stored in found] == [content(batch(3)), content(batch(2))]
    assert found[1][12:16] == (3).to_bytes(4, "big")
    assert store.reader.read(log.key, 2, 5, EVERYTHING).batches == found


def test_reopened_log_has_the_same_state(store):
    log = open_log(store)
    append(store, log, batch(3, timestamp_ms=500), batch(2, timestamp_ms=400))
    reopened = open_log(store)
    assert reopened.head == log.head
    assert (reopened.next_offset, reopened.high_watermark) == (5, 5)
    assert (reopened.head.max_timestamp, reopened.head.max_timestamp_offset) == (500, 2)


def test_opening_reads_one_row_for_any_size_of_log(store, monkeypatch):
    append(store, open_log(store), *(batch(producer=(n, 0, 0)) for n in range(50)))
    for scan in ("rows", "read", "last_row"):
        monkeypatch.setattr(store.reader, scan, None)
    assert open_log(store).next_offset == 50


def test_reload_drops_staged_batches(store):
    log = open_log(store)
    append(store, log, batch(3, producer=(1, 0, 0)))
    stage(log, batch(3, producer=(1, 0, 3)))
    log.reload()
    assert (log.next_offset, log.high_watermark) == (3, 3)
    assert stage(log, batch(2, producer=(1, 0, 3))).base_offset == 3


def test_rollback_keeps_batches_of_unknown_outcome_unreadable(store):
    log = open_log(store)
    append(store, log, batch(3))
    staged = stage(log, batch(2))
    atomic_write = store.new_write()
    log.write(atomic_write, [staged], store.generation)
    store.write(atomic_write, 1)
    log.rollback()
    assert (log.next_offset, log.high_watermark) == (5, 3)


@pytest.mark.parametrize(
    ("epoch", "refusal"),
    [(2, Refusal.FENCED_LEADER_EPOCH), (4, Refusal.UNKNOWN_LEADER_EPOCH)],
)
def test_refusal_for_another_epoch_has_the_current_one(store, epoch, refusal):
    outcome = try_stage(open_log(store, leader_epoch=3), batch(), epoch)
    assert isinstance(outcome, AppendResult)
    assert (outcome.refusal, outcome.leader_epoch) == (refusal, 3)


def test_a_duplicate_is_staged_without_a_batch_after_its_original(store):
    log = open_log(store)
    original = stage(log, batch(3, producer=(1, 0, 0)))
    duplicate = stage(log, batch(3, producer=(1, 0, 0)))
    assert duplicate.batch is None
    assert result(duplicate).base_offset == original.base_offset
    assert log.next_offset == 3


def test_a_refused_sequence_takes_no_offset(store):
    log = open_log(store)
    stage(log, batch(3, producer=(1, 0, 0)))
    outcome = try_stage(log, batch(3, producer=(1, 0, 99)))
    assert isinstance(outcome, AppendResult)
    assert outcome.refusal is Refusal.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.next_offset == 3


def test_reopened_log_loads_producers_when_they_append(store):
    append(store, open_log(store), batch(3, producer=(1, 0, 0)))
    reopened = open_log(store)
    assert reopened.loaded_producers is None
    assert stage(reopened, batch(3, producer=(1, 0, 0))).batch is None
    assert len(reopened.loaded_producers) == 1


def test_opening_a_log_and_appending_to_it_reads_only_the_row_of_that_producer(store, monkeypatch):
    append(store, open_log(store), *(batch(producer=(n, 0, 0)) for n in range(50)))
    read, row = [], store.reader.row
    monkeypatch.setattr(store.reader, "row", lambda key: (read.append(key), row(key))[1])
    monkeypatch.setattr(store.reader, "rows", None)
    stage(open_log(store), batch(producer=(7, 0, 1)))
    key = log_key(*LOG)
    assert read == [head_key(key), producer_key(key, 7)]


def test_tail_is_readable_from_memory_until_reload(store):
    log = open_log(store)
    append(store, log, batch(3), batch(2))
    assert log.tail.read(0, 5, EVERYTHING).batches == read_all(store, log)
    log.reload()
    assert log.tail.read(0, 5, EVERYTHING) is None


def test_waiters_are_notified_of_readable_bytes_and_of_the_close(store):
    async def test():
        log = open_log(store)
        deadline = asyncio.get_running_loop().time() + 60
        with FetchWaiter() as patient, FetchWaiter() as eager:
            waits = []
            for waiter, missing_bytes in ((eager, 1), (patient, 1 << 20)):
                waiter.watch(log, 1 << 20)
                waits.append(asyncio.create_task(waiter.wait(missing_bytes, deadline)))
            await asyncio.sleep(0)
            staged = stage(log, batch())
            await asyncio.sleep(0)
            assert not waits[0].done()
            commit(store, log, staged)
            await waits[0]
            assert not waits[1].done()
            log.close(Refusal.NOT_OWNER)
            await waits[1]
            assert log.closed_reason

    asyncio.run(test())


def test_fenced_log_refuses_appends_until_a_higher_epoch(store):
    log = open_log(store, leader_epoch=3)
    append(store, log, batch())
    atomic_write = store.new_write()
    atomic_write.put(head_key(log.key), log.head._replace(fence_epoch=3).pack())
    store.write(atomic_write, 0)
    reopened = open_log(store, leader_epoch=3)
    refusal = try_stage(reopened, batch(), 3)
    assert (refusal.refusal, refusal.leader_epoch) == (Refusal.MOVING, 3)
    assert try_stage(reopened, batch(), 2).refusal is Refusal.FENCED_LEADER_EPOCH
    reopened.set_leader_epoch(4)
    append(store, reopened, batch())
    assert (
        open_log(store, leader_epoch=4).head
        == reopened.head
        == log.head._replace(
            next_offset=2, size_bytes=2 * len(batch()), leader_epoch=4, fence_epoch=3
        )
    )
