import asyncio
import struct
from time import time_ns

import pytest

from common.ports.partitions import (
    ACKS_ALL,
    ACKS_LEADER,
    NO_LEADER_EPOCH,
    Append,
    LogId,
    Refusal,
)
from common.ports.unavailable import BackendUnavailable
from partition_svc.log import partition_log
from partition_svc.log.commit import append
from partition_svc.log.producers import ProducerStates
from tests.support.stores.failing_stores import Syncs, fail
from tests.support.stores.partition_core import (
    LOG,
    TOPIC_ID,
    batch,
    fetch,
    read_everything,
    until,
)
from tests.support.wire.batches import overflowing_batch

OTHER_LOG = LogId(TOPIC_ID, 1)
UNKNOWN = LogId(b"no such topic id", 0)
OVERFLOW = overflowing_batch()


def append_one(core, log=LOG, *, acks=ACKS_LEADER):
    return core.append_one(log, batch(), NO_LEADER_EPOCH, acks=acks)


async def result_of(appended):
    return (await appended.future)[appended.position]


@pytest.mark.parametrize("acks", [ACKS_ALL, ACKS_LEADER])
def test_single_batches_that_are_committed_together_share_a_future(run, acks):
    async def test(core, _):
        appended = [
            append_one(core, (LOG, OTHER_LOG)[number % 2], acks=acks) for number in range(10)
        ]
        assert len({id(append.future) for append in appended}) == 1
        assert [append.position for append in appended] == list(range(10))
        assert [(await result_of(append)).base_offset for append in appended[::2]] == list(range(5))
        later = append_one(core, acks=acks)
        assert later.future is not appended[0].future
        assert (await result_of(later)).base_offset == 5

    run(test)


def test_append_during_a_sync_is_in_the_next_commit(run):
    async def test(core, monkeypatch):
        syncs = Syncs(core._store, monkeypatch)
        first = append_one(core, acks=ACKS_ALL)
        await until(lambda: syncs.count == 1)
        second = append_one(core, acks=ACKS_ALL)
        assert second.future is not first.future
        syncs.release()
        assert (await result_of(first)).base_offset == 0
        assert not second.future.done()
        assert (await result_of(second)).base_offset == 1

    run(test)


def test_acks_1_does_not_wait_for_acks_all(run):
    async def test(core, monkeypatch):
        syncs = Syncs(core._store, monkeypatch)
        synced, written, also_synced = (
            append_one(core, acks=acks) for acks in (ACKS_ALL, ACKS_LEADER, ACKS_ALL)
        )
        assert (await result_of(written)).base_offset == 1
        assert not synced.future.done()
        assert not also_synced.future.done()
        syncs.release()
        assert [(await result_of(append)).base_offset for append in (synced, also_synced)] == [0, 2]

    run(test)


def test_all_acks_share_a_reply_if_acks_all_is_not_synced(run):
    async def test(core, _):
        appended = [append_one(core, acks=acks) for acks in (ACKS_ALL, ACKS_LEADER, ACKS_ALL)]
        assert len({id(append.future) for append in appended}) == 1
        assert [(await result_of(append)).base_offset for append in appended] == [0, 1, 2]

    run(test, acks_all_durability="write")


def test_refusal_is_returned_at_once(run):
    async def test(core, monkeypatch):
        syncs = Syncs(core._store, monkeypatch)
        stored, refused = append_one(core, acks=ACKS_ALL), append_one(core, UNKNOWN, acks=ACKS_ALL)
        assert (await result_of(refused)).refusal is Refusal.UNKNOWN_TOPIC_OR_PARTITION
        assert not stored.future.done()
        syncs.release()
        assert (await result_of(stored)).base_offset == 0

    run(test)


def test_failure_completes_the_shared_reply_and_the_next_append_gets_another(run):
    async def test(core, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(core._store, "write", fail)
            patch.setattr(core._store, "recover", fail)
            appended = [append_one(core) for _ in range(3)]
            refusals = [(await result_of(append)).refusal for append in appended]
            assert refusals == [Refusal.KAFKA_STORAGE_ERROR] * 3
            assert (await result_of(append_one(core))).message == "broken"
        await until(lambda: core._committer.failure is None)
        assert (await result_of(append_one(core))).base_offset == 0
        assert (await fetch(core)).high_watermark == 1

    run(test)


def test_cancelled_caller_does_not_cancel_the_shared_future(run):
    async def test(core, _):
        appended = [append_one(core) for _ in range(3)]

        async def wait():
            await appended[1].future

        waiter = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        waiter.cancel()
        assert not appended[0].future.cancel()
        assert [(await result_of(append)).base_offset for append in appended] == [0, 1, 2]
        with pytest.raises(asyncio.CancelledError):
            await waiter

    run(test)


@pytest.mark.parametrize("acks", [ACKS_ALL, ACKS_LEADER])
def test_single_appends_store_and_return_the_same_as_one_call(run, acks, monkeypatch):
    """Compares the fast path of small requests, which shares a reply, with one call for all."""
    # The message of a refused timestamp contains the current time.
    now_ns = time_ns()
    monkeypatch.setattr("partition_svc.log.commit.append.time_ns", lambda: now_ns)
    batches = [
        batch(producer=(7, 0, 0)),
        batch(3, producer=(7, 0, 1)),
        batch(producer=(7, 0, 0)),
        batch(producer=(7, 0, 9)),
        batch(2),
        batch()[:-1],
        OVERFLOW,
        batch(3, producer=(7, 0, 1)),
        batch(size=3000),
    ]

    async def test(core, monkeypatch):
        # Messages of refusals contain the current time.
        monkeypatch.setattr(append, "time_ns", lambda: 1_700_000_000_000_000_000)
        single = [core.append_one(LOG, sent, NO_LEADER_EPOCH, acks=acks) for sent in batches]
        together = await core.append([Append(OTHER_LOG, sent) for sent in batches], acks=acks)
        assert [await result_of(appended) for appended in single] == together
        assert {result.refusal for result in together} > {
            None,
            Refusal.OUT_OF_ORDER_SEQUENCE_NUMBER,
        }
        assert await read_everything(core, LOG) == await read_everything(core, OTHER_LOG)

    run(test)


def test_stopping_service_refuses_appends(run):
    async def test(core, _):
        appended = append_one(core)
        await core.drain()
        assert (await result_of(appended)).base_offset == 0
        with pytest.raises(BackendUnavailable, match="stopping"):
            await result_of(append_one(core))

    run(test)


def test_a_timestamp_beyond_64_bits_is_refused_and_its_neighbours_are_stored(run):
    async def test(core, _):
        before, refused, after = await core.append(
            [Append(LOG, sent) for sent in (batch(), OVERFLOW, batch())], acks=ACKS_ALL
        )
        assert (before.base_offset, after.base_offset) == (0, 1)
        assert refused.refusal is Refusal.INVALID_TIMESTAMP
        assert [error.batch_index for error in refused.record_errors] == [0]
        future, position = core.append_one(LOG, OVERFLOW, NO_LEADER_EPOCH, acks=ACKS_ALL)
        assert (await future)[position].refusal is Refusal.INVALID_TIMESTAMP

    run(test)


@pytest.mark.parametrize("function", ["validate", "assign_offset", "ProducerStates.remember"])
def test_exception_while_staging_refuses_that_batch_only(run, function, caplog):
    async def test(core, monkeypatch):
        sent = batch(producer=(7, 0, 0))
        module = partition_log if function != "ProducerStates.remember" else ProducerStates
        name = function.rpartition(".")[2]
        original = getattr(module, name)

        def fail_once(*args, **_):
            monkeypatch.setattr(module, name, original)
            raise struct.error("a bug")

        monkeypatch.setattr(module, name, fail_once)
        appends = [Append(LOG, sent), Append(LOG, sent), Append(OTHER_LOG, batch())]
        refused, stored, in_other_log = await core.append(appends, acks=ACKS_ALL)
        assert refused.refusal is Refusal.INVALID_RECORD
        assert (stored.base_offset, in_other_log.base_offset) == (0, 0)
        assert "a bug" in caplog.text
        monkeypatch.setattr(module, name, fail_once)
        later = batch(producer=(7, 0, 1))
        future, position = core.append_one(LOG, later, NO_LEADER_EPOCH, acks=ACKS_ALL)
        assert (await future)[position].refusal is Refusal.INVALID_RECORD
        assert (await result_of(append_one(core))).base_offset == 1

    run(test)
