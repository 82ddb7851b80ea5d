import asyncio

import pytest

from common.ports.classic_groups import HeartbeatTaken
from common.ports.group_errors import GroupRefusal
from common.ports.partitions import LogId
from common.records.batch import iter_batches
from partition_svc.coordinator.records.fields import MalformedRecord
from partition_svc.coordinator.records.result import CoordinatorResult
from partition_svc.coordinator.records.stored import GroupRecord, OffsetRecord, StoredOffset
from partition_svc.coordinator.runtime.loader import load
from partition_svc.coordinator.runtime.writer import (
    CoordinatorRefused,
    CoordinatorWriter,
    RecordTooLarge,
    ReplyFuture,
)
from tests.support.groups.groups import OFFSETS_TOPIC_ID, offsets_topic
from tests.support.stores.partition_core import read_everything, running_core

LOG = LogId(OFFSETS_TOPIC_ID, 0)
REPLY = HeartbeatTaken()


class Written:
    """A writing on a real core, and what it says of failures."""

    def __init__(self, core, leader_epoch=0, batch_bytes_max=1 << 20):
        self.core = core
        self.failures = []
        self.writer = CoordinatorWriter(
            core,
            LOG,
            leader_epoch,
            batch_bytes_max=lambda: batch_bytes_max,
            on_failed=self.failures.append,
        )

    def take(self, group_id, *records):
        """The future of the reply."""
        ticket = ReplyFuture()
        self.writer.write(group_id, CoordinatorResult(0, [(ticket, REPLY)], list(records)))
        return ticket


def run(test, folder, **more):
    async def within_limits():
        async with asyncio.timeout(60), running_core(folder, offsets_topic()) as core:
            await test(Written(core, **more))

    asyncio.run(within_limits())


def record(offset=1, group_id="g", metadata=""):
    return OffsetRecord(group_id, "t", 0, StoredOffset(offset, -1, metadata, 0))


def test_who_has_nothing_to_write_is_answered_at_once_unless_his_group_has(tmp_path):
    async def test(written):
        writes = written.take("g", record())
        same, other = written.take("g"), written.take("h")
        assert other.done()
        assert not same.done()
        await writes
        assert same.done()
        # Also while the write is on its way.
        writes = written.take("g", record())
        await asyncio.sleep(0)
        same = written.take("g")
        assert not same.done()
        await writes
        assert same.result() is REPLY

    run(test, tmp_path)


def test_what_comes_in_one_turn_is_one_batch_in_order(tmp_path):
    async def test(written):
        tickets = [written.take(f"group-{n % 7}", record(n, f"group-{n % 7}")) for n in range(70)]
        await asyncio.gather(*tickets)
        assert len(await read_everything(written.core, LOG)) == 1
        loaded = await load(written.core, LOG)
        assert [loaded[f"group-{n}"].offsets["t"][0].offset for n in range(7)] == list(
            range(63, 70)
        )

    run(test, tmp_path)


def test_what_comes_during_a_write_goes_together_with_the_next(tmp_path):
    async def test(written):
        tickets = [written.take("first", record())]
        await asyncio.sleep(0)
        tickets += [written.take(f"later-{n}", record()) for n in range(5)]
        await asyncio.gather(*tickets)
        assert len(await read_everything(written.core, LOG)) == 2

    run(test, tmp_path)


def test_batches_are_not_larger_than_the_topic_takes(tmp_path):
    async def test(written):
        await written.take("g", *(record(n) for n in range(100)))
        batches = await read_everything(written.core, LOG)
        assert len(batches) > 3
        assert all(len(one) <= 2000 for one in batches)

    run(test, tmp_path, batch_bytes_max=2000)


def test_what_one_call_came_to_is_in_one_batch(tmp_path):
    async def test(written):
        sizes = [2, 6, 20, 6, 6, 1]
        tickets = [
            written.take(
                f"group-{number}", *(record(n, metadata="x" * 25_000) for n in range(size))
            )
            for number, size in enumerate(sizes)
        ]
        await asyncio.gather(*tickets)
        batches = await read_everything(written.core, LOG)
        counts = [header.record_count for one in batches for _, header in iter_batches(one)]
        assert counts == [8, 20, 6, 7]

    run(test, tmp_path)


def test_a_caller_that_went_away_is_not_told(tmp_path):
    async def test(written):
        gone, other = written.take("g", record()), written.take("g", record(2))
        gone.cancel()
        assert await other is REPLY
        assert (await load(written.core, LOG))["g"].offsets["t"][0].offset == 2

    run(test, tmp_path)


def test_with_another_epoch_everybody_is_refused_and_it_is_told_once(tmp_path):
    async def test(written):
        first = written.take("g", record())
        await asyncio.sleep(0)
        second = written.take("g", record())
        for ticket in (first, second, written.take("h", record())):
            with pytest.raises(CoordinatorRefused) as raised:
                await ticket
            assert raised.value.refusal is GroupRefusal.NOT_COORDINATOR
        with pytest.raises(CoordinatorRefused):
            await written.take("g")
        assert written.failures == [GroupRefusal.NOT_COORDINATOR]
        await written.writer.wait_idle()
        assert not await read_everything(written.core, LOG)

    run(test, tmp_path, leader_epoch=7)


def test_closing_refuses_what_waits_and_answers_what_is_on_its_way_by_its_outcome(tmp_path):
    async def test(written):
        under_way = written.take("g", record(1))
        await asyncio.sleep(0)
        waiting = written.take("g", record(2))
        written.writer.close(GroupRefusal.NOT_COORDINATOR)
        assert isinstance(waiting.exception(), CoordinatorRefused)
        assert not under_way.done()
        await written.writer.wait_idle()
        assert under_way.result() is REPLY
        assert (await load(written.core, LOG))["g"].offsets["t"][0].offset == 1
        assert not written.failures

    run(test, tmp_path)


def test_a_service_that_stops_is_not_the_coordinator_any_more(tmp_path):
    async def test(written):
        await written.core.drain()
        with pytest.raises(CoordinatorRefused) as raised:
            await written.take("g", record())
        assert raised.value.refusal is GroupRefusal.NOT_COORDINATOR

    run(test, tmp_path)


def test_a_record_that_fits_into_no_batch_is_not_taken(tmp_path):
    async def test(written):
        with pytest.raises(RecordTooLarge, match="5000"):
            written.take("g", record(), record(metadata="x" * 5000))
        assert await written.take("g", record(metadata="x" * 4500)) is REPLY
        assert written.failures == []

    run(test, tmp_path, batch_bytes_max=5000)


def test_what_has_no_bytes_is_not_taken(tmp_path):
    async def test(written):
        with pytest.raises(MalformedRecord):
            written.take("g", record(), GroupRecord("x" * 40000, None))
        await written.writer.wait_idle()
        assert not await read_everything(written.core, LOG)

    run(test, tmp_path)
