import asyncio
import random
from collections import deque

import pytest

from common.ports.partitions import AppendResult, LogId, Refusal
from partition_svc.log.commit.commit_batch import CommitBatch
from partition_svc.log.fetch_waiter import FetchWaiter
from partition_svc.log.log_config import LogConfig
from partition_svc.log.partition_log import PartitionLog
from partition_svc.log.staged_batch import AppendReply, StagedBatch
from partition_svc.log.tail_cache import TailCache
from partition_svc.store.keys import log_key
from partition_svc.store.reading import ReadLimits
from tests.support.stores.log_stores import opened
from tests.support.stores.partition_core import TOPIC_ID, batch

NOW_MS = 1_800_000_000_000
NO_LIMIT = 1 << 20
EVERYTHING = ReadLimits(1 << 30, 1 << 30, at_least_one=True)


@pytest.fixture
def store(tmp_path):
    with opened(tmp_path) as store:
        yield store


def run_on_loop(test):
    async def main():
        test()

    asyncio.run(main())


def open_log(store, partition=0):
    return PartitionLog(
        LogId(TOPIC_ID, partition),
        store,
        TailCache(1 << 20),
        config=LogConfig(),
        leader_epoch=0,
        producer_expiration_ms=10**9,
    )


def new_reply(*, must_sync=False):
    return AppendReply(asyncio.get_running_loop().create_future(), must_sync=must_sync)


def stage(queue, log, reply, *, size=100, producer=(-1, -1, -1)):
    sent = batch(size=size, producer=producer)
    queue.append(log.stage(sent, -1, NOW_MS, reply))


def test_commit_of_many_logs_is_one_write(store, monkeypatch):
    def test():
        writes = []
        write = store.write
        monkeypatch.setattr(store, "write", lambda *args: (writes.append(args), write(*args)))
        queue, logs, reply = deque(), [open_log(store, n) for n in range(3)], new_reply()
        for number in range(30):
            stage(queue, logs[number % 3], reply)
        CommitBatch(queue, NO_LIMIT).write(store)
        assert len(writes) == 1
        assert writes[0][1] == sum(log.head.size_bytes for log in logs)
        assert [store.head(log.key).next_offset for log in logs] == [10, 10, 10]

    run_on_loop(test)


def read_all(store):
    """Returns all rows of the state of logs, and all batches."""
    found, _ = store.reader.some_rows(b"", b"\xff" * 40, 1 << 30)
    logs = [log_key(TOPIC_ID, partition) for partition in range(2)]
    batches = [store.reader.read(log, 0, 1 << 40, EVERYTHING).batches for log in logs]
    return [row for row in found if row[0][:1] in b"HSTPE"], batches


@pytest.mark.parametrize("seed", range(5))
def test_one_commit_stores_and_returns_the_same_as_a_commit_for_each_batch(tmp_path, seed):
    def test():
        outcomes = []
        for batches_max in (1, 1000):
            rng = random.Random(seed)
            with opened(tmp_path / str(batches_max)) as store:
                queue, logs, replies = deque(), [open_log(store, 0), open_log(store, 1)], []
                for _ in range(60):
                    replies.append(new_reply(must_sync=rng.random() < 0.3))
                    log, producer = rng.choice(logs), rng.choice([(-1, -1, -1), (1, 0, 0)])
                    sent = batch(
                        rng.randint(1, 3),
                        size=rng.randint(10, 3000),
                        producer=producer,
                        timestamp_ms=NOW_MS + rng.randint(-5000, 5000),
                    )
                    outcome = log.stage(sent, -1, NOW_MS, replies[-1])
                    if isinstance(outcome, StagedBatch):
                        queue.append(outcome)
                while queue:
                    part = deque(queue.popleft() for _ in range(min(batches_max, len(queue))))
                    commit = CommitBatch(part, 1 << 30)
                    commit.write(store)
                    commit.acknowledge_written()
                    commit.acknowledge_synced()
                results = [reply.future.result() for reply in replies if reply.results]
                outcomes.append((results, [log.high_watermark for log in logs], read_all(store)))
        assert outcomes[0] == outcomes[1]
        assert len(outcomes[0][0]) > 30

    run_on_loop(test)


def test_batches_over_the_limit_are_left_for_the_next_commit(store):
    def test():
        queue, log, reply = deque(), open_log(store), new_reply()
        for _ in range(5):
            stage(queue, log, reply, size=1000)
        commit = CommitBatch(queue, 1500)
        assert len(queue) == 3
        commit.write(store)
        commit.acknowledge_written()
        assert log.high_watermark == 2
        # A reply completes when all of its batches are stored.
        assert not reply.future.done()
        rest = CommitBatch(queue, NO_LIMIT)
        rest.write(store)
        rest.acknowledge_written()
        assert [result.base_offset for result in reply.future.result()] == [0, 1, 2, 3, 4]

    run_on_loop(test)


def test_only_acks_all_waits_for_the_sync(store):
    def test():
        queue, log, other = deque(), open_log(store), open_log(store, 1)
        written, synced = new_reply(), new_reply(must_sync=True)
        for target, reply in [(log, written), (log, synced), (log, written), (other, written)]:
            stage(queue, target, reply)
        commit = CommitBatch(queue, NO_LIMIT)
        commit.write(store)
        assert log.high_watermark == 0
        commit.acknowledge_written()
        # Readers see no batch after one that may be lost.
        assert (log.high_watermark, other.high_watermark) == (1, 1)
        assert (written.future.done(), synced.future.done(), commit.is_acknowledged) == (
            True,
            False,
            False,
        )
        assert [staged.reply for staged in commit.unacknowledged()] == [synced]
        commit.acknowledge_synced()
        assert log.high_watermark == 3
        assert (synced.future.done(), commit.is_acknowledged) == (True, True)

    run_on_loop(test)


def test_waiters_are_notified_of_each_byte_once(store):
    def test():
        notified = []

        class Waiter(FetchWaiter):
            __slots__ = ()

            def on_readable(self, log, size_bytes):
                notified.append(size_bytes)

        queue, log = deque(), open_log(store)
        sizes = [100, 200, 300]
        for size, reply in zip(
            sizes, [new_reply(), new_reply(must_sync=True), new_reply()], strict=True
        ):
            stage(queue, log, reply, size=size)
        staged = [len(staged.batch) for staged in queue]
        with Waiter() as waiter:
            waiter.watch(log, NO_LIMIT)
            commit = CommitBatch(queue, NO_LIMIT)
            commit.write(store)
            commit.acknowledge_written()
            commit.acknowledge_synced()
        assert notified == [staged[0], staged[1] + staged[2]]

    run_on_loop(test)


def test_commit_of_duplicates_alone_writes_nothing_and_completes_their_replies(store):
    def test():
        queue, log, original, duplicate = (
            deque(),
            open_log(store),
            new_reply(),
            new_reply(must_sync=True),
        )
        stage(queue, log, original, producer=(1, 0, 0))
        commit = CommitBatch(queue, NO_LIMIT)
        commit.write(store)
        commit.acknowledge_written()
        stage(queue, log, duplicate, producer=(1, 0, 0))
        commit = CommitBatch(queue, NO_LIMIT)
        assert commit
        commit.write(store)
        commit.acknowledge_written()
        assert not duplicate.future.done()
        commit.acknowledge_synced()
        assert duplicate.future.result() == original.future.result()
        assert log.high_watermark == 1

    run_on_loop(test)


def test_batches_of_a_closed_log_are_refused_and_others_are_not(store):
    def test():
        queue, closed_log, log, reply = deque(), open_log(store), open_log(store, 1), new_reply()
        for target in (closed_log, log, closed_log):
            stage(queue, target, reply)
        closed_log.close(Refusal.UNKNOWN_TOPIC_OR_PARTITION)
        commit = CommitBatch(queue, NO_LIMIT)
        commit.write(store)
        commit.acknowledge_written()
        refused = AppendResult(
            refusal=Refusal.UNKNOWN_TOPIC_OR_PARTITION, message="the partition is gone"
        )
        assert reply.future.result() == [refused, AppendResult(0, -1, 0), refused]
        assert store.head(closed_log.key).next_offset == 0

    run_on_loop(test)


def test_commit_without_batches_is_false():
    assert not CommitBatch(deque(), NO_LIMIT)
