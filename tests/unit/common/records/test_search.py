import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.records.batch import (
    LOG_APPEND_TIME,
    assign_offset,
    parse_header,
    seal,
    stamp_log_append_time,
)
from common.records.compression import Codec, compress
from common.records.errors import CorruptRecords, UnsupportedRecords
from common.records.records import Record, write_batch
from common.records.search import TimedOffset, first_at_or_after, latest
from tests.support.wire.record_strategies import record_lists

TIMES = [100, 300, 200, 300, 50]
BATCH = write_batch([Record(10 + i, time, b"k", b"v") for i, time in enumerate(TIMES)])


@pytest.mark.parametrize(
    ("timestamp", "offset"),
    [
        pytest.param(0, 10, id="before all"),
        pytest.param(100, 10, id="exactly the first"),
        pytest.param(101, 11, id="between"),
        pytest.param(300, 11, id="the first of two largest"),
        pytest.param(301, None, id="after all"),
    ],
)
def test_the_first_record_not_older_than_a_time_is_found_inside_the_batch(timestamp, offset):
    result = first_at_or_after(BATCH, timestamp)
    assert result == (None if offset is None else (offset, TIMES[offset - 10]))


def test_the_latest_record_is_the_first_of_those_with_the_largest_timestamp():
    assert latest(BATCH) == TimedOffset(11, 300)


def test_timestamps_in_the_header_do_not_matter():
    false_batch = seal(parse_header(BATCH)._replace(max_timestamp=9999), BATCH[61:])
    assert latest(false_batch) == TimedOffset(11, 300)


def test_every_record_of_a_stamped_batch_has_the_log_append_time():
    stamped = assign_offset(stamp_log_append_time(BATCH, 777), 20, 0)
    assert latest(stamped) == first_at_or_after(stamped, 777) == TimedOffset(20, 777)
    assert first_at_or_after(stamped, 778) is None


@pytest.mark.parametrize("codec", list(Codec))
@settings(max_examples=30)
@given(records=record_lists(), timestamp=st.integers(-1, 2**62))
def test_search_results_are_those_of_reading_every_record(codec, records, timestamp):
    batch = write_batch(records, codec=codec)
    not_older = [(r.offset, r.timestamp) for r in records if r.timestamp >= timestamp]
    assert first_at_or_after(batch, timestamp) == (not_older[0] if not_older else None)
    newest = max(record.timestamp for record in records)
    assert latest(batch) == next((r.offset, newest) for r in records if r.timestamp == newest)


@pytest.mark.parametrize("base_timestamp", [2**63 - 1, -(2**63)])
def test_a_time_that_does_not_fit_into_64_bits_is_corrupt(base_timestamp):
    header = parse_header(BATCH)._replace(base_timestamp=base_timestamp)
    with pytest.raises(CorruptRecords):
        latest(seal(header, BATCH[61:]))


def test_a_long_search_pauses_regularly():
    pauses = []
    batch = write_batch([Record(i, i, None, None) for i in range(3000)])
    assert latest(batch, pause=lambda: pauses.append(1)).offset == 2999
    assert first_at_or_after(batch, 1000, pause=lambda: pauses.append(1)).offset == 1000
    assert len(pauses) == 2


def _garbage(codec: Codec, body: bytes, count: int = 1) -> bytes:
    header = parse_header(write_batch([Record(0, 0, None, None)]))
    return seal(header._replace(attributes=codec, record_count=count), compress(codec, body))


@pytest.mark.parametrize("search", [latest, lambda b: first_at_or_after(b, 2**62)])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x10\0\0", id="cut"),
        pytest.param(b"\x01\0\0\0\0\0\0", id="negative length"),
        pytest.param(b"\x02\0\0\0\0\0\0", id="length within the fixed fields"),
        pytest.param(b"\xfe\xff\xff\xff\x0f\0\0\0\0\0\0", id="huge length"),
        pytest.param(b"\x80" * 12, id="endless varint"),
    ],
)
def test_garbage_under_a_valid_crc_is_corrupt(search, body):
    for codec in Codec:
        with pytest.raises(CorruptRecords):
            search(_garbage(codec, body, count=2**31 - 1))


@pytest.mark.parametrize("search", [latest, lambda b: first_at_or_after(b, 2**62)])
def test_a_last_record_that_claims_bytes_behind_the_batch_is_corrupt(search):
    with pytest.raises(CorruptRecords):
        search(_garbage(Codec.NONE, b"\x10\0\0\0\x01\x01\0"))


def test_a_batch_without_records_has_no_latest():
    with pytest.raises(CorruptRecords):
        latest(_garbage(Codec.NONE, b"", count=0))


def test_an_unknown_codec_is_unsupported():
    header = parse_header(BATCH)._replace(attributes=7 | LOG_APPEND_TIME)
    with pytest.raises(UnsupportedRecords):
        latest(seal(header, BATCH[61:]))
