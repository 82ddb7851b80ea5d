import asyncio
from time import time

import pytest

from common.ports.moves import Move, MovePhase
from common.ports.partitions import LogId
from partition_svc.log import maintenance
from tests.support.stores.many_producers import store_producers, stored_producers
from tests.support.stores.partition_core import (
    LOG,
    TOPIC_ID,
    append,
    batch,
    running_core,
    topic,
    until,
)

OTHER_LOG = LogId(TOPIC_ID, 1)
LOG_OF_ANOTHER_MEMBER = LogId(b"another of 16 by", 0)
MINUTE_MS = 60_000


def run(test, folder, **settings):
    async def within_limits():
        async with asyncio.timeout(120):
            topic_of_another_member = topic(
                LOG_OF_ANOTHER_MEMBER.topic_id, owner="partition-9", leader_epoch=5
            )
            async with running_core(folder, topic(), topic_of_another_member, **settings) as core:
                await test(core)

    asyncio.run(within_limits())


def minutes_ago(minutes):
    return int(time() * 1000) - minutes * MINUTE_MS


def test_idle_producers_expire_in_logs_that_are_not_open(tmp_path):
    async def test(core):
        store = core._store
        for log in (LOG, OTHER_LOG):
            store_producers(store, 100, log=log, seen_ms=lambda n: minutes_ago(20 if n < 60 else 5))
        await core._background.producers.run_pass()
        assert stored_producers(store) == stored_producers(store, OTHER_LOG) == set(range(60, 100))
        assert core._registry.logs == {}

    run(test, tmp_path, producer_expiration_ms=10 * MINUTE_MS)


def test_producers_of_a_copy_do_not_expire(tmp_path):
    async def test(core):
        await core.incoming.begin(
            Move(1, *LOG_OF_ANOTHER_MEMBER, "partition-9", "m", 5, MovePhase.PREPARE)
        )
        store_producers(
            core._store, 100, log=LOG_OF_ANOTHER_MEMBER, seen_ms=lambda _: minutes_ago(20)
        )
        await core._background.producers.run_pass()
        assert len(stored_producers(core._store, LOG_OF_ANOTHER_MEMBER)) == 100

    run(test, tmp_path, producer_expiration_ms=10 * MINUTE_MS)


@pytest.mark.parametrize("ids_per_minute", [10, 1000], ids=["many minutes", "one minute"])
def test_producers_beyond_the_limit_expire_from_the_least_recent_append_on(
    tmp_path, ids_per_minute
):
    async def test(core):
        store_producers(
            core._store,
            1000,
            seen_ms=lambda n: minutes_ago(10 + (999 - n) // ids_per_minute),
        )
        await core._background.producers.run_pass()
        left = stored_producers(core._store)
        assert len(left) == 300
        assert ids_per_minute == 1000 or left == set(range(700, 1000))
        # A second pass has nothing to do.
        await core._background.producers.run_pass()
        assert stored_producers(core._store) == left

    run(test, tmp_path, producer_ids_max=300)


def test_producers_that_appended_just_now_are_kept_beyond_the_limit(tmp_path):
    async def test(core):
        store_producers(core._store, 1000, seen_ms=lambda n: minutes_ago(0 if n < 500 else 10))
        await core._background.producers.run_pass()
        assert stored_producers(core._store) == set(range(500))

    run(test, tmp_path, producer_ids_max=300)


def test_producer_that_appends_during_the_pass_is_kept(tmp_path, monkeypatch):
    async def test(core):
        store_producers(core._store, 100, seen_ms=lambda _: minutes_ago(20))
        delete = core._background.producers._delete
        appended = []

        def append_first(log_key, silent):
            # The new row of producer 7 is written; the batch of producer 8 is only staged.
            if not appended:
                appended.append(core.append_one(LOG, batch(producer=(8, 0, 1)), 0, acks=1))
            delete(log_key, silent)

        await append(core, batch(producer=(7, 0, 1)))
        monkeypatch.setattr(core._background.producers, "_delete", append_first)
        await core._background.producers.run_pass()
        await appended[0].future
        assert stored_producers(core._store) == {7, 8}

    run(test, tmp_path, producer_expiration_ms=10 * MINUTE_MS)


def test_pass_over_many_producers_yields_often(tmp_path, monkeypatch):
    async def test(core):
        count = 100_000
        store_producers(core._store, count, seen_ms=lambda n: minutes_ago(10 + n % 7))
        sizes, some_rows = [], core._store.reader.some_rows

        def record_sizes(*arguments):
            found = some_rows(*arguments)
            sizes.append(len(found[0]))
            return found

        monkeypatch.setattr(core._store.reader, "some_rows", record_sizes)
        (described,) = await core.describe_logs([LOG])
        assert described.producer_count == count
        assert core._registry.find(LOG).loaded_producers is None
        await core._background.producers.run_pass()
        assert max(sizes) < 500
        (described,) = await core.describe_logs([LOG])
        assert described.producer_count == 20_000

    run(test, tmp_path, producer_ids_max=20_000)


def test_many_new_producers_start_a_pass_early(tmp_path, monkeypatch):
    monkeypatch.setattr(maintenance, "_CHECK_S", 0.001)

    async def test(core):
        passes, run_pass = [], core._background.producers.run_pass

        async def count_pass():
            await run_pass()
            passes.append(1)

        monkeypatch.setattr(core._background.producers, "run_pass", count_pass)
        await append(core, *(batch(producer=(n, 0, 0)) for n in range(25)))
        await asyncio.sleep(0)
        assert not core._background.producers.is_due
        await append(core, batch(producer=(99, 0, 0)))
        await until(lambda: passes)
        assert not core._background.producers.is_due

    run(test, tmp_path, producer_ids_max=100)
