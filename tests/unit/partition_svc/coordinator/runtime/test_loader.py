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
    """Records of groups, or pairs of key and value, in one batch."""
    entries = [one if type(one) is tuple else encode(one)[:2] for one in records]
    batch = write_batch([Record(n, 1, *one) for n, one in enumerate(entries)], codec=codec)
    (result,) = await core.append([Append(LOG, batch, by_coordinator=True)], acks=ACKS_ALL)
    assert result.refusal is None, result.refusal


@pytest.mark.parametrize("codec", list(Codec))
def test_the_last_value_of_each_key_counts(tmp_path, codec):
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


def test_what_is_overwritten_need_not_be_readable(tmp_path, caplog):
    async def test(core):
        entry = encode(OffsetRecord("g", "t", 0, stored(2)))
        await append(core, (entry.key, b"\0\3 garbage"), (entry.key, entry.value))
        assert (await load(core, LOG))["g"].offsets == {"t": {0: stored(2)}}
        await append(core, (entry.key, None), OffsetRecord("g", "u", 1, stored(3)))
        assert (await load(core, LOG))["g"].offsets == {"u": {1: stored(3)}}

    run(test, tmp_path)
    assert not caplog.text


def test_many_batches_are_read_to_their_end(tmp_path):
    async def test(core):
        for n in range(0, 3000, 600):
            many = [OffsetRecord("g", "t" * 200, k, stored(k)) for k in range(n, n + 600)]
            await append(core, *many)
        loaded = await load(core, LOG)
        assert loaded["g"].offsets == {"t" * 200: {k: stored(k) for k in range(3000)}}

    run(test, tmp_path)


@pytest.mark.parametrize("size", ["many records", "few large records"])
def test_others_get_their_turns_meanwhile(tmp_path, size):
    async def test(core):
        if size == "many records":
            await append(core, *[OffsetRecord("g", "t", n, stored(n)) for n in range(5000)])
        else:
            for n in range(40):
                await append(core, (b"\0\x63%d" % n, bytes(200_000)))
        turns = 0

        async def count():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        await load(core, LOG)
        counting.cancel()
        assert turns > 15

    run(test, tmp_path)


def test_what_cannot_be_read_is_left_out(tmp_path, caplog):
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


def test_a_log_of_somebody_else_cannot_be_loaded(tmp_path):
    async def test(core):
        with pytest.raises(CannotLoad) as raised:
            await load(core, LogId(OFFSETS_TOPIC_ID, 99))
        assert raised.value.refusal is Refusal.UNKNOWN_TOPIC_OR_PARTITION

    run(test, tmp_path)


def test_a_consumer_group_is_there_until_the_last_of_its_records_is_deleted(tmp_path):
    async def test(core):
        await append(core, TargetEpochRecord("g", 1), TargetEpochRecord("g", 2))
        loaded = await load(core, LOG)
        assert list(loaded["g"].consumer.values()) == [TargetEpochRecord("g", 2)]
        await append(core, TargetEpochRecord("g", None))
        assert not await load(core, LOG)

    run(test, tmp_path)
