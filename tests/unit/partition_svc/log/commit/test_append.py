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

OTHER = LogId(TOPIC_ID, 1)
UNKNOWN = LogId(b"no such topic id", 0)
OVERFLOW = overflowing_batch()


def one(core, log=LOG, *, acks=ACKS_LEADER):
    return core.append_one(log, batch(), NO_LEADER_EPOCH, acks=acks)


async def result(appended):
    return (await appended.future)[appended.position]


@pytest.mark.parametrize("acks", [ACKS_ALL, ACKS_LEADER])
def test_single_batches_that_are_committed_together_share_a_future(run, acks):
    async def test(core, _):
        appended = [one(core, (LOG, OTHER)[number % 2], acks=acks) for number in range(10)]
        assert len({id(each.future) for each in appended}) == 1
        assert [each.position for each in appended] == list(range(10))
        assert [(await result(each)).base_offset for each in appended[::2]] == list(range(5))
        later = one(core, acks=acks)
        assert later.future is not appended[0].future
        assert (await result(later)).base_offset == 5

    run(test)


def test_append_during_a_sync_is_in_the_next_commit(run):
    async def test(core, monkeypatch):
        syncs = Syncs(core._store, monkeypatch)
        first = one(core, acks=ACKS_ALL)
        await until(lambda: syncs.count == 1)
        second = one(core, acks=ACKS_ALL)
        assert second.future is not first.future
        syncs.let_go()
        assert (await result(first)).base_offset == 0
        assert not second.future.done()
        assert (await result(second)).base_offset == 1

    run(test)


def test_acks_1_does_not_wait_for_acks_all(run):
    async def test(core, monkeypatch):
        syncs = Syncs(core._store, monkeypatch)
        synced, written, also_synced = (
            one(core, acks=acks) for acks in (ACKS_ALL, ACKS_LEADER, ACKS_ALL)
        )
        assert (await result(written)).base_offset == 1
        assert not synced.future.done()
        assert not also_synced.future.done()
        syncs.let_go()
        assert [(await result(each)).base_offset for each in (synced, also_synced)] == [0, 2]

    run(test)


def test_all_acks_share_a_reply_if_acks_all_is_not_synced(run):
    async def test(core, _):
        appended = [one(core, acks=acks) for acks in (ACKS_ALL, ACKS_LEADER, ACKS_ALL)]
        assert len({id(each.future) for each in appended}) == 1
        assert [(await result(each)).base_offset for each in appended] == [0, 1, 2]

    run(test, acks_all_durability="write")


def test_refusal_is_returned_at_once(run):
    async def test(core, monkeypatch):
        syncs = Syncs(core._store, monkeypatch)
        stored, refused = one(core, acks=ACKS_ALL), one(core, UNKNOWN, acks=ACKS_ALL)
        assert (await result(refused)).refusal is Refusal.UNKNOWN_TOPIC_OR_PARTITION
        assert not stored.future.done()
        syncs.let_go()
        assert (await result(stored)).base_offset == 0

    run(test)


def test_failure_completes_the_shared_reply_and_the_next_append_gets_another(run):
    async def test(core, monkeypatch):
        with monkeypatch.context() as broken:
            broken.setattr(core._store, "write", fail)
            broken.setattr(core._store, "recover", fail)
            appended = [one(core) for _ in range(3)]
            refusals = [(await result(each)).refusal for each in appended]
            assert refusals == [Refusal.KAFKA_STORAGE_ERROR] * 3
            assert (await result(one(core))).message == "broken"
        await until(lambda: core._committer.failure is None)
        assert (await result(one(core))).base_offset == 0
        assert (await fetch(core)).high_watermark == 1

    run(test)


def test_a_cancelled_caller_leaves_the_shared_future_to_the_others(run):
    async def test(core, _):
        appended = [one(core) for _ in range(3)]

        async def wait():
            await appended[1].future

        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        waiting.cancel()
        assert not appended[0].future.cancel()
        assert [(await result(each)).base_offset for each in appended] == [0, 1, 2]
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(test)


@pytest.mark.parametrize("acks", [ACKS_ALL, ACKS_LEADER])
def test_single_appends_store_and_return_the_same_as_one_call(run, acks, monkeypatch):
    """The fast path of small requests, with a shared reply, against a reply for each call."""
    # The message of a timestamp that is out of range has the present time in it.
    now_ns = time_ns()
    monkeypatch.setattr("partition_svc.log.commit.append.time_ns", lambda: now_ns)
    sent = [
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
        # Messages of refusals have the time.
        monkeypatch.setattr(append, "time_ns", lambda: 1_700_000_000_000_000_000)
        single = [core.append_one(LOG, each, NO_LEADER_EPOCH, acks=acks) for each in sent]
        together = await core.append([Append(OTHER, each) for each in sent], acks=acks)
        assert [await result(each) for each in single] == together
        assert {each.refusal for each in together} > {None, Refusal.OUT_OF_ORDER_SEQUENCE_NUMBER}
        assert await read_everything(core, LOG) == await read_everything(core, OTHER)

    run(test)


def test_stopping_service_refuses_appends(run):
    async def test(core, _):
        appended = one(core)
        await core.drain()
        assert (await result(appended)).base_offset == 0
        with pytest.raises(BackendUnavailable, match="stopping"):
            await result(one(core))

    run(test)


def test_a_time_beyond_64_bits_is_refused_and_its_neighbours_are_stored(run):
    async def test(core, _):
        before, refused, after = await core.append(
            [Append(LOG, one) for one in (batch(), OVERFLOW, batch())], acks=ACKS_ALL
        )
        assert (before.base_offset, after.base_offset) == (0, 1)
        assert refused.refusal is Refusal.INVALID_TIMESTAMP
        assert [one.batch_index for one in refused.record_errors] == [0]
        future, position = core.append_one(LOG, OVERFLOW, NO_LEADER_EPOCH, acks=ACKS_ALL)
        assert (await future)[position].refusal is Refusal.INVALID_TIMESTAMP

    run(test)


@pytest.mark.parametrize("where", ["validate", "assign_offset", "ProducerStates.remember"])
def test_exception_while_staging_refuses_that_batch_only(run, where, caplog):
    async def test(core, monkeypatch):
        sent = batch(producer=(7, 0, 0))
        module = partition_log if where != "ProducerStates.remember" else ProducerStates
        name = where.rpartition(".")[2]
        real = getattr(module, name)

        def failing(*args, **_):
            monkeypatch.setattr(module, name, real)
            raise struct.error("a bug")

        monkeypatch.setattr(module, name, failing)
        appended = [Append(LOG, sent), Append(LOG, sent), Append(OTHER, batch())]
        refused, stored, elsewhere = await core.append(appended, acks=ACKS_ALL)
        assert refused.refusal is Refusal.INVALID_RECORD
        assert (stored.base_offset, elsewhere.base_offset) == (0, 0)
        assert "a bug" in caplog.text
        monkeypatch.setattr(module, name, failing)
        later = batch(producer=(7, 0, 1))
        future, position = core.append_one(LOG, later, NO_LEADER_EPOCH, acks=ACKS_ALL)
        assert (await future)[position].refusal is Refusal.INVALID_RECORD
        assert (await result(one(core))).base_offset == 1

    run(test)
