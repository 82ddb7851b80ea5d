import asyncio

import pytest

from common.ports.group_errors import UNKNOWN_CLIENT
from common.ports.partitions import ACKS_ALL, Append, LogId, Refusal
from common.records.compression import Codec
from common.records.records import Record, write_batch
from partition_svc.coordinator.records.group_records import encode
from partition_svc.coordinator.records.stored import (
    GroupRecord,
    OffsetRecord,
    StoredGroup,
    StoredMember,
    StoredOffset,
)
from partition_svc.coordinator.records.stored_consumer import TargetEpochRecord
from partition_svc.coordinator.runtime.loader import CannotLoad, load
from tests.support.groups.groups import OFFSETS_TOPIC_ID, offsets_topic
from tests.support.stores.partition_core import running_core

LOG = LogId(OFFSETS_TOPIC_ID, 1)
MEMBER = StoredMember("m", None, UNKNOWN_CLIENT, 1, 2, b"", b"")


def run(test, folder):
    async def within_limits():
        async with asyncio.timeout(60), running_core(folder, offsets_topic()) as core:
            await test(core)

    asyncio.run(within_limits())


def stored(offset):
    return StoredOffset(offset, -1, "", 1000)


async def append(core, *records, codec=Codec.NONE):
    """Appends records of groups, or pairs of key and value, in one batch."""
    entries = [record if type(record) is tuple else encode(record)[:2] for record in records]
    batch = write_batch([Record(n, 1, *entry) for n, entry in enumerate(entries)], codec=codec)
    (result,) = await core.append([Append(LOG, batch, by_coordinator=True)], acks=ACKS_ALL)
    assert result.refusal is None, result.refusal


@pytest.mark.parametrize("codec", list(Codec))
def test_last_value_of_each_key_is_loaded(tmp_path, codec):
    async def test(core):
        assert await load(core, LOG) == {}
        await append(
            core,
            GroupRecord("g", StoredGroup("consumer", 1, "range", "m", 5, (MEMBER,))),
            OffsetRecord("g", "t", 0, stored(1)),
            OffsetRecord("g", "t", 1, stored(2)),
            OffsetRecord("h", "t", 0, stored(3)),
            codec=codec,
        )
        group = StoredGroup("consumer", 2, None, None, 6)
        await append(
            core,
            OffsetRecord("g", "t", 0, stored(4)),
            GroupRecord("g", group),
            OffsetRecord("h", "t", 0, None),
            OffsetRecord("g", "u", 0, stored(5)),
            codec=codec,
        )
        (loaded,) = (groups := await load(core, LOG)).values()
        assert list(groups) == ["g"]
        assert loaded.stored == group
        assert loaded.offsets == {"t": {0: stored(4), 1: stored(2)}, "u": {0: stored(5)}}

    run(test, tmp_path)


def test_overwritten_record_may_be_malformed(tmp_path, caplog):
    async def test(core):
        entry = encode(OffsetRecord("g", "t", 0, stored(2)))
        await append(core, (entry.key, b"\0\3 garbage"), (entry.key, entry.value))
        assert (await load(core, LOG))["g"].offsets == {"t": {0: stored(2)}}
        await append(core, (entry.key, None), OffsetRecord("g", "u", 1, stored(3)))
        assert (await load(core, LOG))["g"].offsets == {"u": {1: stored(3)}}

    run(test, tmp_path)
    assert not caplog.text


def test_all_batches_of_a_long_log_are_loaded(tmp_path):
    async def test(core):
        for n in range(0, 3000, 600):
            records = [OffsetRecord("g", "t" * 200, k, stored(k)) for k in range(n, n + 600)]
            await append(core, *records)
        loaded = await load(core, LOG)
        assert loaded["g"].offsets == {"t" * 200: {k: stored(k) for k in range(3000)}}

    run(test, tmp_path)


@pytest.mark.parametrize("size", ["many records", "few large records"])
def test_other_tasks_run_during_a_load(tmp_path, size):
    async def test(core):
        if size == "many records":
            await append(core, *[OffsetRecord("g", "t", n, stored(n)) for n in range(5000)])
        else:
            for n in range(40):
                await append(core, (b"\0\x63%d" % n, bytes(200_000)))
        iterations = 0

        async def count():
            nonlocal iterations
            while True:
                iterations += 1
                await asyncio.sleep(0)

        counter = asyncio.create_task(count())
        await load(core, LOG)
        counter.cancel()
        assert iterations > 15

    run(test, tmp_path)


def test_malformed_records_are_skipped_with_a_log_line(tmp_path, caplog):
    async def test(core):
        await append(
            core,
            (b"\0\x63\0\1g", b"of a newer version"),
            (b"\0\1 garbage", b""),
            OffsetRecord("g", "t", 0, stored(1)),
        )
        assert list(await load(core, LOG)) == ["g"]

    run(test, tmp_path)
    assert caplog.text.count("cannot read") == 1


def test_load_of_an_unknown_log_raises(tmp_path):
    async def test(core):
        with pytest.raises(CannotLoad) as raised:
            await load(core, LogId(OFFSETS_TOPIC_ID, 99))
        assert raised.value.refusal is Refusal.UNKNOWN_TOPIC_OR_PARTITION

    run(test, tmp_path)


def test_consumer_group_is_loaded_until_its_last_record_is_deleted(tmp_path):
    async def test(core):
        await append(core, TargetEpochRecord("g", 1), TargetEpochRecord("g", 2))
        loaded = await load(core, LOG)
        assert list(loaded["g"].consumer.values()) == [TargetEpochRecord("g", 2)]
        await append(core, TargetEpochRecord("g", None))
        assert not await load(core, LOG)

    run(test, tmp_path)
