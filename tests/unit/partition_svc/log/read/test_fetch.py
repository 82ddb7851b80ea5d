import asyncio
from dataclasses import replace

import pytest

from common.ports.metadata import ClusterChange, Placement, PlacementChange
from common.ports.partitions import LogId, Refusal
from partition_svc.rpc.fetch_budget import SharedFetchBudget
from partition_svc.store.failures import StorageFailed
from tests.support.stores.partition_core import (
    CLUSTER_ID,
    LOG,
    TOPIC_ID,
    append,
    batch,
    batches_of,
    fetch,
    query,
    read_everything,
    running_core,
    until,
)

_FOREVER_MS = 50_000
LOGS = [LogId(TOPIC_ID, partition) for partition in range(4)]


def run(test, tmp_path, **settings):
    async def within_limits():
        async with asyncio.timeout(60), running_core(tmp_path, **settings) as core:
            return await test(core)

    return asyncio.run(within_limits())


def counts(results):
    return [len(batches_of(result)) for result in results]


@pytest.mark.parametrize("cache_bytes", [0, 3000, 1 << 20], ids=["store", "both", "memory"])
def test_reads_from_cache_and_store_are_equal(tmp_path, cache_bytes):
    async def test(core):
        sent = [batch(3, start=3 * number) for number in range(100)]
        await append(core, *sent)
        for offset in (0, 1, 150, 297, 299):
            result = await fetch(core, offset)
            assert len(batches_of(result)) == 100 - offset // 3
        request = query((LOG, 0), partition_max_bytes=len(sent[0]) * 7)
        assert counts(await core.fetch(request)) == [7]

    run(test, tmp_path, tail_cache_bytes=cache_bytes)


def test_large_reads_let_other_tasks_run_in_between(tmp_path):
    async def test(core):
        await append(core, *(batch(size=500_000) for _ in range(20)), acks=1)
        request = query((LOG, 0), max_bytes=20 << 20, partition_max_bytes=20 << 20)
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.ensure_future(tick())
        assert counts(await core.fetch(request)) == [20]
        ticking.cancel()
        assert ticks > 5

    run(test, tmp_path, tail_cache_bytes=0)


def test_fetch_does_not_wait_for_a_log_closed_while_it_was_read(tmp_path):
    async def test(core):
        await append(core, *(batch(size=1_000_000) for _ in range(10)), acks=1)
        request = query(
            (LOG, 0),
            max_wait_ms=_FOREVER_MS,
            min_bytes=20 << 20,
            max_bytes=30 << 20,
            partition_max_bytes=30 << 20,
        )
        reading = asyncio.ensure_future(core.fetch(request))
        # Reading it all takes several iterations of the event loop.
        await asyncio.sleep(0)
        moved = PlacementChange(*LOG, Placement("partition-9", 1))
        core.apply(ClusterChange(2, CLUSTER_ID, placements=[moved]))
        assert (await reading)[0].refusal is Refusal.NOT_OWNER

    run(test, tmp_path, tail_cache_bytes=0)


def test_partitions_share_max_bytes_in_the_order_of_the_request(tmp_path):
    async def test(core):
        sent = batch()
        for log in LOGS:
            await append(core, sent, sent, sent, log=log, acks=1)
        request = query(*((log, 0) for log in LOGS), max_bytes=len(sent) * 5 + 1)
        assert counts(await core.fetch(request)) == [3, 2, 0, 0]

    run(test, tmp_path)


def test_the_owner_limits_responses_by_its_own_setting(tmp_path):
    async def test(core):
        await append(core, *(batch(size=500) for _ in range(10)), acks=1)
        assert counts(await core.fetch(query((LOG, 0)))) == [3]

    run(test, tmp_path, fetch_bytes_max=2000)


def test_min_bytes_over_the_limit_do_not_wait_forever(tmp_path):
    async def test(core):
        sent = batch()
        await append(core, sent)
        request = query((LOG, 0), max_wait_ms=_FOREVER_MS, min_bytes=1 << 30, max_bytes=len(sent))
        assert counts(await core.fetch(request)) == [1]

    run(test, tmp_path)


def test_small_appends_add_up_until_they_are_enough(tmp_path):
    async def test(core):
        size = len(batch())
        waiting = asyncio.ensure_future(
            core.fetch(query((LOG, 0), max_wait_ms=_FOREVER_MS, min_bytes=size * 10))
        )
        for _ in range(9):
            await append(core, batch(), acks=1)
        assert not waiting.done()
        await append(core, batch(), acks=1)
        assert counts(await waiting) == [10]

    run(test, tmp_path)


def test_ended_fetch_leaves_no_waiter(tmp_path):
    async def test(core):
        polls = [
            asyncio.ensure_future(core.fetch(query((LOG, 0), max_wait_ms=wait)))
            for wait in (20, _FOREVER_MS, _FOREVER_MS)
        ]
        log = core._registry.find(LOG)
        await until(lambda: len(log.waiters) == 3)
        await polls[0]
        assert len(log.waiters) == 2
        polls[1].cancel()
        await until(lambda: len(log.waiters) == 1)
        await append(core, batch())
        await polls[2]
        assert not log.waiters

    run(test, tmp_path)


def test_append_while_a_fetch_reads_ends_its_wait(tmp_path, monkeypatch):
    async def test(core):
        await append(core, batch(size=1000))
        core._registry.find(LOG).reload()
        read = core._fetcher._from_store

        async def append_then_read(*args, **options):
            monkeypatch.undo()
            await append(core, batch(), log=LOGS[1])
            return await read(*args, **options)

        monkeypatch.setattr(core._fetcher, "_from_store", append_then_read)
        # The empty log is read first, and has a batch once the other has been read.
        request = query((LOGS[1], 0), (LOG, 0), max_wait_ms=_FOREVER_MS, min_bytes=1100)
        assert counts(await core.fetch(request)) == [1, 1]

    run(test, tmp_path)


def test_offset_between_high_watermark_and_log_end_waits(tmp_path, monkeypatch):
    async def test(core):
        log = core._registry.find(LOG)
        await append(core, batch(5))
        log.high_watermark = 2
        (result,) = await core.fetch(query((LOG, 4)))
        assert (result.refusal, result.records, result.high_watermark) == (None, [], 2)

    run(test, tmp_path)


def test_unreadable_partition_does_not_fail_the_others(tmp_path, monkeypatch):
    async def test(core):
        await append(core, batch())
        await append(core, batch(), log=LOGS[1])
        core._registry.find(LOG).reload()

        def fail(*_):
            raise StorageFailed("unreadable")

        monkeypatch.setattr(core._store.reader, "read", fail)
        results = await core.fetch(query((LOG, 0), (LOGS[1], 0), max_wait_ms=_FOREVER_MS))
        assert [result.refusal for result in results] == [Refusal.KAFKA_STORAGE_ERROR, None]
        assert counts(results) == [0, 1]

    run(test, tmp_path)


@pytest.mark.parametrize("read_committed", [False, True])
def test_only_read_committed_gets_aborted_transactions(tmp_path, read_committed):
    async def test(core):
        request = query((LOG, 0))
        request.read_committed = read_committed
        (result,) = await core.fetch(request)
        assert result.aborted == ([] if read_committed else None)

    run(test, tmp_path)


def test_a_5000_byte_message_is_stored_and_read(tmp_path):
    async def test(core):
        await append(core, batch(size=5000))
        assert len(await read_everything(core)) == 1

    run(test, tmp_path)


def test_an_idle_partition_does_not_delay_a_busy_one(tmp_path):
    async def test(core):
        for number in range(20):
            waiting = asyncio.ensure_future(
                core.fetch(query((LOG, 0), (LOGS[1], number), max_wait_ms=_FOREVER_MS))
            )
            await append(core, batch(), log=LOGS[1], acks=1)
            assert counts(await waiting) == [0, 1]

    run(test, tmp_path)


@pytest.mark.parametrize("change", ["append", "epoch", "deadline"])
def test_fetch_reads_only_changed_logs_again(tmp_path, monkeypatch, change):
    async def test(core):
        read_logs = []
        find = core._fetcher._find
        monkeypatch.setattr(core._fetcher, "_find", lambda log: read_logs.append(log) or find(log))
        request = query(
            *((log, 0) for log in LOGS),
            max_wait_ms=20 if change == "deadline" else _FOREVER_MS,
            min_bytes=len(batch()) + 1,
        )
        polling = asyncio.ensure_future(core.fetch(request))
        await until(lambda: core._registry.find(LOGS[3]).waiters)
        assert read_logs == LOGS
        read_logs.clear()
        if change == "append":
            await append(core, batch(), log=LOGS[1], acks=1)
            await append(core, batch(), log=LOGS[1], acks=1)
        if change == "epoch":
            raised = PlacementChange(*LOGS[2], Placement("partition-0", 1))
            core.apply(ClusterChange(2, CLUSTER_ID, placements=[raised]))
            await until(lambda: read_logs)
            polling.cancel()
        results = (await asyncio.gather(polling, return_exceptions=True))[0]
        assert read_logs == {"append": [LOGS[1]], "epoch": [LOGS[2]], "deadline": []}[change]
        if change == "append":
            assert counts(results) == [0, 2, 0, 0]

    run(test, tmp_path)


def test_bytes_read_before_the_wait_count_against_the_limit(tmp_path):
    async def test(core):
        sent = batch()
        await append(core, sent, log=LOGS[1])
        request = query(
            *((log, 0) for log in (LOGS[0], LOGS[1], LOGS[0])),
            max_wait_ms=_FOREVER_MS,
            min_bytes=3 * len(sent),
            max_bytes=3 * len(sent),
        )
        polling = asyncio.ensure_future(core.fetch(request))
        await asyncio.sleep(0)  # the fetch reads the available batch, and waits
        for _ in range(4):
            await append(core, sent, acks=1)
        # Log 0 is listed twice and returned once.
        assert counts(await polling) == [2, 1, 0]

    run(test, tmp_path)


def test_a_partition_that_is_listed_twice_does_not_end_the_wait_for_more_bytes(tmp_path):
    async def test(core):
        sent = batch()
        await append(core, sent)
        request = query(
            (LOGS[0], 0), (LOGS[0], 0), max_wait_ms=_FOREVER_MS, min_bytes=2 * len(sent)
        )
        polling = asyncio.ensure_future(core.fetch(request))
        await until(lambda: core._registry.logs[LOGS[0]].waiters)
        await append(core, sent)
        assert counts(await polling) == [2, 0]

    run(test, tmp_path)


def test_fetch_reads_within_its_memory_and_waits_without_any(tmp_path):
    async def test(core):
        sent = [batch(size=1000) for _ in range(20)]
        await append(core, *sent)
        size = len(sent[0])
        shared = SharedFetchBudget(5 * size)

        def request():
            budgets.append(shared.open())
            return replace(query((LOG, 0)), budget=budgets[-1])

        budgets = []
        assert counts(await core.fetch(request())) == [5]
        assert shared.used == 5 * size
        waiting = asyncio.ensure_future(core.fetch(request()))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        budgets[0].release(2 * size)
        assert counts(await waiting) == [2]
        budgets[1].close()
        # A budget smaller than a batch still admits one batch (KIP-74).
        budgets[0].release(size // 2)
        budgets[0].acquire(2 * size)
        assert shared.used == 5 * size - size // 2
        assert counts(await core.fetch(request())) == [1]

    run(test, tmp_path)


@pytest.mark.parametrize("cache_bytes", [0, 1 << 20], ids=["store", "memory"])
def test_fetch_does_not_wait_while_others_need_its_memory(tmp_path, cache_bytes):
    async def test(core):
        sent = [batch(size=1000) for _ in range(3)]
        await append(core, *sent)
        size = len(sent[0])
        budget = SharedFetchBudget(5 * size).open()
        request = query((LOG, 0), max_wait_ms=_FOREVER_MS, min_bytes=10 * size)
        assert counts(await core.fetch(replace(request, budget=budget))) == [3]
        # With enough budget it waits, and batches that it reads again do not count twice.
        large_budget = SharedFetchBudget(100 * size)
        waiting = asyncio.ensure_future(core.fetch(replace(request, budget=large_budget.open())))
        await until(lambda: large_budget.used == 3 * size)
        await append(core, *(batch(size=1000) for _ in range(7)))
        assert counts(await waiting) == [10]
        assert large_budget.used == 10 * size

    run(test, tmp_path, tail_cache_bytes=cache_bytes)


def test_ended_wait_returns_the_available_batches(tmp_path):
    async def test(core):
        sent = batch()
        request = query(
            (LOGS[0], 0), (LOGS[1], 0), max_wait_ms=_FOREVER_MS, min_bytes=10 * len(sent)
        )
        request.end_of_wait = asyncio.get_running_loop().create_future()
        polling = asyncio.ensure_future(core.fetch(request))
        await asyncio.sleep(0)
        await append(core, sent, log=LOGS[1])
        assert not polling.done()
        request.end_of_wait.set_result(None)
        assert counts(await polling) == [0, 1]
        # A fetch whose wait ended before it began does not wait.
        assert counts(await core.fetch(request)) == [0, 1]

    run(test, tmp_path)
