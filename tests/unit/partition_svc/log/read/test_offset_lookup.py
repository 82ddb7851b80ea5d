import asyncio
import threading

import pytest

from common.ports.partitions import (
    EARLIEST_TIMESTAMP,
    MAX_TIMESTAMP,
    OffsetQuery,
    OffsetResult,
    Refusal,
)
from common.records.batch import parse_header
from common.records.records import read_records
from partition_svc.log.read import offset_lookup
from partition_svc.log.validation.record_thread import RecordThread
from tests.support.stores.partition_core import LOG, append, read_everything, running_core, topic
from tests.support.wire.batches import CODECS, record_batch, with_valid_crc
from tests.support.wire.records import Record


def look_up(tmp_path, batches, *timestamps, configs=None):
    """Returns the result for each timestamp, in a log of these batches."""

    async def within_limits():
        async with (
            asyncio.timeout(60),
            running_core(tmp_path, topic(configs=configs)) as core,
        ):
            for batch in batches:
                (result,) = await append(core, batch, acks=1)
                assert result.refusal is None, result
            results = await core.list_offsets(
                [OffsetQuery(LOG, timestamp) for timestamp in timestamps]
            )
            return results, await read_everything(core)

    return asyncio.run(within_limits())


def timed_batch(*times, codec="none", size=10):
    records = [Record(b"x" * size, timestamp_ms=time) for time in times]
    return record_batch(records, codec=codec, base_timestamp_ms=times[0])


def expected(batches, timestamp):
    """Returns the expected result, from all records."""
    for batch in batches:
        for record in read_records(batch):
            if record.timestamp >= timestamp:
                return OffsetResult(record.offset, record.timestamp, 0)
    return OffsetResult()


@pytest.mark.parametrize("codec", CODECS)
def test_a_record_is_found_in_a_batch_of_any_codec(tmp_path, codec):
    results, _ = look_up(tmp_path, [timed_batch(10, 20, 15, 40, codec=codec)], 11, 16, 21, 41)
    assert [result.offset for result in results] == [1, 1, 3, -1]


def test_every_time_is_found_in_a_long_log_with_unordered_timestamps(tmp_path):
    times = [1000 + (number * 37) % 500 + number * 5 for number in range(600)]
    batches = [timed_batch(*times[n : n + 3], size=200) for n in range(0, 600, 3)]
    searched = sorted({*range(990, 4600, 13), min(times), max(times), max(times) + 1})
    results, stored = look_up(tmp_path, batches, *searched)
    assert results == [expected(stored, time) for time in searched]


def test_a_false_max_timestamp_does_not_change_the_result(tmp_path):
    false_batch = bytearray(timed_batch(10, 20))
    false_batch[35:43] = (10_000).to_bytes(8, "big")
    results, _ = look_up(tmp_path, [with_valid_crc(bytes(false_batch)), timed_batch(30)], 25, 5000)
    assert [(result.offset, result.timestamp) for result in results] == [(2, 30), (-1, -1)]


def test_log_append_time_is_the_timestamp_of_all_records_of_a_batch(tmp_path):
    configs = {"message.timestamp.type": "LogAppendTime"}
    (found, latest), (stored,) = look_up(
        tmp_path, [timed_batch(5, 6, 7)], 100, MAX_TIMESTAMP, configs=configs
    )
    stamp = parse_header(stored).max_timestamp
    assert found == OffsetResult(0, stamp, 0)
    assert latest.timestamp == stamp


def test_the_largest_timestamp_is_that_of_the_first_record_that_has_it(tmp_path):
    batches = [timed_batch(5, 90, 7), timed_batch(90), timed_batch(80)]
    (found,), _ = look_up(tmp_path, batches, MAX_TIMESTAMP)
    assert found == OffsetResult(1, 90, 0)


def test_a_log_without_records_or_timestamps_has_no_offset(tmp_path):
    results, _ = look_up(tmp_path / "empty", [], 0, MAX_TIMESTAMP, EARLIEST_TIMESTAMP)
    assert results == [OffsetResult(), OffsetResult(), OffsetResult(0, -1, 0)]
    results, _ = look_up(tmp_path / "no timestamps", [timed_batch(-1, -1)], 0, MAX_TIMESTAMP)
    assert results == [OffsetResult(), OffsetResult()]


def test_lookup_in_unreadable_records_is_a_corrupt_message(tmp_path):
    garbage = record_batch([Record(b"x")], payload=b"\xff" * 30, base_timestamp_ms=50)
    results, _ = look_up(tmp_path, [garbage], 50)
    assert [result.refusal for result in results] == [Refusal.CORRUPT_MESSAGE]


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_a_batch_of_many_records_is_searched_in_a_thread(tmp_path, codec, monkeypatch):
    threads = []

    async def run_in_thread(self, work):
        threads.append(threading.get_ident())
        return await run(self, work)

    run = RecordThread.run
    monkeypatch.setattr(RecordThread, "run", run_in_thread)
    long_batch = timed_batch(*range(10, 3010), codec=codec)
    results, _ = look_up(tmp_path, [long_batch], 10, 2500, MAX_TIMESTAMP)
    assert [result.offset for result in results] == [0, 2490, 2999]
    assert len(threads) == 3


def test_batches_with_a_false_max_timestamp_are_searched_within_a_budget(tmp_path, monkeypatch):
    monkeypatch.setattr(offset_lookup, "_BUDGET_RECORDS", 5)
    false_batch = timed_batch(10, 11, 12)
    false_batch = with_valid_crc(false_batch[:35] + (1000).to_bytes(8, "big") + false_batch[43:])
    true_batch = timed_batch(10, 2000)
    (result,), _ = look_up(tmp_path, [false_batch, false_batch, false_batch, true_batch], 500)
    # The record that is looked for has a later offset.
    assert (result.offset, result.timestamp) == (6, 1000)
    monkeypatch.setattr(offset_lookup, "_BUDGET_RECORDS", 9)
    (result,), _ = look_up(tmp_path / "more", [false_batch, false_batch, true_batch], 500)
    assert (result.offset, result.timestamp) == (7, 2000)
