"""Batches that are examined in a thread, through a core on a real store."""

import asyncio
import threading

import pytest

from common.ports.partitions import ACKS_ALL, ACKS_LEADER, Append, LogId, Refusal
from common.ports.unavailable import BackendUnavailable
from common.records.examine import NAMED_MAX
from partition_svc.log.validation.validation import UnexaminedBatch
from tests.support.stores.compacted_logs import EAGER
from tests.support.stores.partition_core import (
    LOG,
    TOPIC_ID,
    append,
    batch,
    read_everything,
    running_core,
    snapshot,
    topic,
    until,
)
from tests.support.wire.batches import record_batch
from tests.support.wire.records import Record

OTHER_LOG = LogId(TOPIC_ID, 1)
COUNT = 2000
#: Must be examined, because its header has no timestamp, and in a thread, because it is long.
LONG = record_batch([Record(None, b"k")] * COUNT, base_timestamp_ms=5)
KEYLESS = record_batch([Record(b"v")] * COUNT, base_timestamp_ms=5)


class Gate:
    """Keeps the thread from examining batches until it is open."""

    def __init__(self, monkeypatch):
        self.reached, self._open = threading.Event(), threading.Event()
        examine = UnexaminedBatch.examine

        def examine_when_open(unexamined, pause=None):
            self.reached.set()
            assert self._open.wait(60)
            return examine(unexamined, pause)

        monkeypatch.setattr(UnexaminedBatch, "examine", examine_when_open)

    def open(self):
        self._open.set()


@pytest.fixture
def gate(monkeypatch):
    gate = Gate(monkeypatch)
    yield gate
    gate.open()


def run(tmp_path, scenario, *topics, **settings):
    async def within_limits():
        async with asyncio.timeout(60), running_core(tmp_path, *topics, **settings) as core:
            await scenario(core)

    asyncio.run(within_limits())


COMPACTED = topic(configs=EAGER)
NO_CLEANER = {"cleaner_enable": False}


def test_later_appends_of_the_log_queue_and_other_logs_do_not_wait(tmp_path, gate):
    async def scenario(core):
        small = record_batch([Record(b"v", b"k")], base_timestamp_ms=5)
        first = core.append([Append(LOG, LONG), Append(OTHER_LOG, small)], acks=ACKS_LEADER)
        second = core.append([Append(LOG, small)], acks=ACKS_LEADER)
        third, _ = core.append_one(LOG, LONG, -1, acks=ACKS_ALL)
        fourth, position = core.append_one(LOG, small, -1, acks=ACKS_ALL)
        (in_other_log,) = await append(core, small, log=OTHER_LOG)
        assert in_other_log.base_offset == 1
        assert not any(reply.done() for reply in (first, second, third, fourth))
        gate.open()
        assert [result.base_offset for result in await first] == [0, 0]
        assert [result.base_offset for result in await second] == [COUNT]
        assert [result.base_offset for result in await third] == [COUNT + 1]
        assert (await fourth)[position].base_offset == 2 * COUNT + 1
        # The queue has ended, and appends take the fast path again.
        assert not core._appender._queues
        (last,) = await append(core, small)
        assert last.base_offset == 2 * COUNT + 2
        assert len(await read_everything(core)) == 5

    run(tmp_path, scenario, COMPACTED, **NO_CLEANER)


def test_a_batch_that_waits_too_long_is_refused_and_its_retry_is_stored(
    tmp_path, gate, monkeypatch
):
    async def scenario(core):
        def producer_batch(start, count):
            records = [Record(b"v", b"k")] * count
            return record_batch(records, base_timestamp_ms=5, producer=(7, 0, start))

        # The thread examines this batch, which had not waited too long when it was taken.
        monkeypatch.setattr("partition_svc.log.validation.large_batches.WAIT_S", 60.0)
        busy = core.append([Append(OTHER_LOG, LONG)], acks=ACKS_LEADER)
        await until(gate.reached.is_set)
        monkeypatch.setattr("partition_svc.log.validation.large_batches.WAIT_S", -1.0)
        late, next_batch = producer_batch(0, COUNT), producer_batch(COUNT, 1)
        appends = core.append([Append(LOG, late), Append(LOG, next_batch)], acks=ACKS_LEADER)
        gate.open()
        assert [result.base_offset for result in await busy] == [0]
        refused, too_early = await appends
        assert refused.refusal is Refusal.NO_RESPONSE
        # A retriable refusal: the batch is in sequence once the earlier one is retried.
        assert too_early.refusal is Refusal.KAFKA_STORAGE_ERROR
        monkeypatch.setattr("partition_svc.log.validation.large_batches.WAIT_S", 60.0)
        stored = await core.append([Append(LOG, late), Append(LOG, next_batch)], acks=ACKS_LEADER)
        assert [result.base_offset for result in stored] == [0, COUNT]

    run(tmp_path, scenario, COMPACTED, **NO_CLEANER)


def test_refused_batch_does_not_block_later_ones(tmp_path):
    async def scenario(core):
        small = record_batch([Record(b"v", b"k")], base_timestamp_ms=5)
        reply = core.append([Append(LOG, KEYLESS), Append(LOG, small)], acks=ACKS_ALL)
        refused, stored = await reply
        assert (refused.refusal, stored.base_offset) == (Refusal.INVALID_RECORD, 0)
        assert len(refused.record_errors) == NAMED_MAX

    run(tmp_path, scenario, COMPACTED, **NO_CLEANER)


def test_sequences_are_checked_in_the_order_of_the_appends(tmp_path):
    async def scenario(core):
        def producer_batch(start, count):
            records = [Record(b"v", b"k")] * count
            return record_batch(records, base_timestamp_ms=5, producer=(7, 0, start))

        long, short = producer_batch(0, COUNT), producer_batch(COUNT, 1)
        appends = [Append(LOG, sent) for sent in (long, short, long, short)]
        results = await core.append(appends, acks=ACKS_ALL)
        assert [result.base_offset for result in results] == [0, COUNT, 0, COUNT]
        assert len(await read_everything(core)) == 2

    run(tmp_path, scenario, COMPACTED, **NO_CLEANER)


def test_examined_batch_is_refused_if_the_log_has_another_owner_by_then(tmp_path, gate):
    async def scenario(core):
        reply = core.append([Append(LOG, LONG, 0)], acks=ACKS_ALL)
        await until(gate.reached.is_set)
        core.apply(snapshot(topic(owner="another member", configs=EAGER), revision=2))
        gate.open()
        assert [result.refusal for result in await reply] == [Refusal.NOT_OWNER]

    run(tmp_path, scenario, COMPACTED, **NO_CLEANER)


def test_examined_batch_is_checked_against_the_current_leader_epoch(tmp_path, gate):
    async def scenario(core):
        reply = core.append([Append(LOG, LONG, 0)], acks=ACKS_ALL)
        await until(gate.reached.is_set)
        core.apply(snapshot(topic(leader_epoch=3, configs=EAGER), revision=2))
        gate.open()
        (result,) = await reply
        assert (result.refusal, result.leader_epoch) == (Refusal.FENCED_LEADER_EPOCH, 3)

    run(tmp_path, scenario, COMPACTED, **NO_CLEANER)


def test_drain_waits_for_batches_that_are_being_examined(tmp_path, gate):
    async def scenario(core):
        reply = core.append([Append(LOG, LONG)], acks=ACKS_ALL)
        draining = asyncio.ensure_future(core.drain())
        await until(gate.reached.is_set)
        refused = core.append([Append(LOG, batch())], acks=ACKS_ALL)
        assert isinstance(refused.exception(), BackendUnavailable)
        assert not draining.done()
        gate.open()
        await draining
        assert [result.base_offset for result in await reply] == [0]

    run(tmp_path, scenario, COMPACTED, **NO_CLEANER)


def test_a_bug_in_the_examination_refuses_that_batch_alone(tmp_path, monkeypatch, caplog):
    async def scenario(core):
        def fail(unexamined, pause=None):
            raise RuntimeError("a bug")

        monkeypatch.setattr(UnexaminedBatch, "examine", fail)
        small = record_batch([Record(b"v", b"k")], base_timestamp_ms=5)
        reply = await core.append([Append(LOG, LONG), Append(LOG, small)], acks=ACKS_ALL)
        assert [result.refusal for result in reply] == [Refusal.INVALID_RECORD, None]
        assert "a bug" in caplog.text

    run(tmp_path, scenario, COMPACTED, **NO_CLEANER)


@pytest.mark.parametrize("count", [1, COUNT])
def test_all_records_are_examined_with_full_validation(tmp_path, count):
    async def scenario(core):
        wrong = record_batch([Record(b"v")] * count, payload=b"\xff" * 7 * count)
        sound = record_batch([Record(b"v")] * count, base_timestamp_ms=5)
        reply = await core.append([Append(LOG, wrong), Append(LOG, sound)], acks=ACKS_ALL)
        assert [result.refusal for result in reply] == [Refusal.INVALID_RECORD, None]
        future, position = core.append_one(LOG, wrong, -1, acks=ACKS_ALL)
        assert (await future)[position].refusal is Refusal.INVALID_RECORD

    run(tmp_path, scenario, validate_records="full")


def test_only_headers_are_checked_without_full_validation(tmp_path):
    async def scenario(core):
        (result,) = await append(core, record_batch([Record(b"v")], payload=b"\xff" * 7))
        assert result.refusal is None

    run(tmp_path, scenario)
