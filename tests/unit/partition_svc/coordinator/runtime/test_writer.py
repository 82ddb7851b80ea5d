import asyncio

import pytest

from common.ports.classic_groups import HeartbeatReply
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
REPLY = HeartbeatReply()


class WriterFixture:
    """A writer on a real core. `failures`: the refusals that it reported."""

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

    def write(self, group_id, *records):
        """Writes records of a group; returns the future of the reply."""
        reply = ReplyFuture()
        self.writer.write(group_id, CoordinatorResult(0, [(reply, REPLY)], list(records)))
        return reply


def run(test, folder, **settings):
    async def within_limits():
        async with asyncio.timeout(60), running_core(folder, offsets_topic()) as core:
            await test(WriterFixture(core, **settings))

    asyncio.run(within_limits())


def record(offset=1, group_id="g", metadata=""):
    return OffsetRecord(group_id, "t", 0, StoredOffset(offset, -1, metadata, 0))


def test_reply_without_records_is_immediate_unless_its_group_has_pending_writes(tmp_path):
    async def test(fixture):
        write = fixture.write("g", record())
        same_group, other_group = fixture.write("g"), fixture.write("h")
        assert other_group.done()
        assert not same_group.done()
        await write
        assert same_group.done()
        # The same holds while the write is in flight.
        write = fixture.write("g", record())
        await asyncio.sleep(0)
        same_group = fixture.write("g")
        assert not same_group.done()
        await write
        assert same_group.result() is REPLY

    run(test, tmp_path)


def test_writes_of_one_loop_iteration_are_one_batch_in_order(tmp_path):
    async def test(fixture):
        replies = [fixture.write(f"group-{n % 7}", record(n, f"group-{n % 7}")) for n in range(70)]
        await asyncio.gather(*replies)
        assert len(await read_everything(fixture.core, LOG)) == 1
        loaded = await load(fixture.core, LOG)
        assert [loaded[f"group-{n}"].offsets["t"][0].offset for n in range(7)] == list(
            range(63, 70)
        )

    run(test, tmp_path)


def test_writes_during_a_write_share_the_next_batch(tmp_path):
    async def test(fixture):
        replies = [fixture.write("first", record())]
        await asyncio.sleep(0)
        replies += [fixture.write(f"later-{n}", record()) for n in range(5)]
        await asyncio.gather(*replies)
        assert len(await read_everything(fixture.core, LOG)) == 2

    run(test, tmp_path)


def test_batches_are_not_larger_than_the_topic_allows(tmp_path):
    async def test(fixture):
        await fixture.write("g", *(record(n) for n in range(100)))
        batches = await read_everything(fixture.core, LOG)
        assert len(batches) > 3
        assert all(len(batch) <= 2000 for batch in batches)

    run(test, tmp_path, batch_bytes_max=2000)


def test_records_of_one_call_are_in_one_batch(tmp_path):
    async def test(fixture):
        sizes = [2, 6, 20, 6, 6, 1]
        replies = [
            fixture.write(
                f"group-{number}", *(record(n, metadata="x" * 25_000) for n in range(size))
            )
            for number, size in enumerate(sizes)
        ]
        await asyncio.gather(*replies)
        batches = await read_everything(fixture.core, LOG)
        counts = [header.record_count for batch in batches for _, header in iter_batches(batch)]
        assert counts == [8, 20, 6, 7]

    run(test, tmp_path)


def test_cancelled_reply_does_not_disturb_other_writes(tmp_path):
    async def test(fixture):
        cancelled, other = fixture.write("g", record()), fixture.write("g", record(2))
        cancelled.cancel()
        assert await other is REPLY
        assert (await load(fixture.core, LOG))["g"].offsets["t"][0].offset == 2

    run(test, tmp_path)


def test_mismatched_leader_epoch_refuses_all_writes_and_reports_one_failure(tmp_path):
    async def test(fixture):
        first = fixture.write("g", record())
        await asyncio.sleep(0)
        second = fixture.write("g", record())
        for reply in (first, second, fixture.write("h", record())):
            with pytest.raises(CoordinatorRefused) as raised:
                await reply
            assert raised.value.refusal is GroupRefusal.NOT_COORDINATOR
        with pytest.raises(CoordinatorRefused):
            await fixture.write("g")
        assert fixture.failures == [GroupRefusal.NOT_COORDINATOR]
        await fixture.writer.wait_idle()
        assert not await read_everything(fixture.core, LOG)

    run(test, tmp_path, leader_epoch=7)


def test_close_refuses_queued_writes_and_completes_the_write_in_flight(tmp_path):
    async def test(fixture):
        in_flight = fixture.write("g", record(1))
        await asyncio.sleep(0)
        queued = fixture.write("g", record(2))
        fixture.writer.close(GroupRefusal.NOT_COORDINATOR)
        assert isinstance(queued.exception(), CoordinatorRefused)
        assert not in_flight.done()
        await fixture.writer.wait_idle()
        assert in_flight.result() is REPLY
        assert (await load(fixture.core, LOG))["g"].offsets["t"][0].offset == 1
        assert not fixture.failures

    run(test, tmp_path)


def test_write_to_a_drained_core_is_refused_as_not_coordinator(tmp_path):
    async def test(fixture):
        await fixture.core.drain()
        with pytest.raises(CoordinatorRefused) as raised:
            await fixture.write("g", record())
        assert raised.value.refusal is GroupRefusal.NOT_COORDINATOR

    run(test, tmp_path)


def test_record_larger_than_a_batch_raises(tmp_path):
    async def test(fixture):
        with pytest.raises(RecordTooLarge, match="5000"):
            fixture.write("g", record(), record(metadata="x" * 5000))
        assert await fixture.write("g", record(metadata="x" * 4500)) is REPLY
        assert fixture.failures == []

    run(test, tmp_path, batch_bytes_max=5000)


def test_record_that_cannot_be_encoded_raises(tmp_path):
    async def test(fixture):
        with pytest.raises(MalformedRecord):
            fixture.write("g", record(), GroupRecord("x" * 40000, None))
        await fixture.writer.wait_idle()
        assert not await read_everything(fixture.core, LOG)

    run(test, tmp_path)
