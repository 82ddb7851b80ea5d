import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.records.batch import NO_TIMESTAMP, parse_header, seal
from common.records.compression import Codec, compress
from common.records.errors import CorruptRecords
from common.records.examine import NAMED_MAX, TIMESTAMP_MAX, Constraints, examine
from common.records.records import Record, read_records, write_batch
from common.records.varint import encode_varint
from tests.support.wire.record_strategies import record_lists

ANY = Constraints(-1 << 63, TIMESTAMP_MAX)


def examine_batch(batch, constraints=ANY, **pausing):
    return examine(bytes(batch[61:]), parse_header(batch), constraints, **pausing)


def with_offsets(records):
    return [record._replace(offset=index) for index, record in enumerate(records)]


def batch_of(body, count, *, base_timestamp=0):
    header = parse_header(write_batch([Record(0, base_timestamp, None, None)]))
    return seal(header._replace(record_count=count, last_offset_delta=count - 1), body)


def record(*, timestamp=0, offset=0, key=b"k", value=b"v", headers=b"\0", length=None):
    parts = [b"\0", encode_varint(timestamp), encode_varint(offset)]
    for content in (key, value):
        parts += [encode_varint(-1 if content is None else len(content)), content or b""]
    body = b"".join([*parts, headers])
    return encode_varint(len(body) if length is None else length) + body


@settings(max_examples=100)
@given(records=record_lists())
def test_batches_of_write_batch_pass_and_their_newest_timestamp_is_found(records):
    batch = write_batch(with_offsets(records))
    newest = max(record.timestamp for record in records)
    assert examine_batch(batch) == (newest, [], [])


@settings(max_examples=100)
@given(records=record_lists(), earliest=st.integers(0, 2**62), span=st.integers(0, 2**62))
def test_times_out_of_range_and_missing_keys_are_reported(records, earliest, span):
    latest = earliest + span
    found = examine_batch(
        write_batch(with_offsets(records)), Constraints(earliest, latest, has_keys=True)
    )
    assert found.wrong_times == [
        (index, record.timestamp)
        for index, record in enumerate(records)
        if record.timestamp != NO_TIMESTAMP and not earliest <= record.timestamp <= latest
    ]
    assert found.missing_keys == [i for i, record in enumerate(records) if record.key is None]


@settings(max_examples=300)
@given(
    records=record_lists(),
    edits=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=3),
)
def test_records_that_pass_can_be_read_with_the_same_offsets_and_timestamps(records, edits):
    batch = bytearray(write_batch(with_offsets(records)))
    for at, byte in edits:
        batch[61 + at % (len(batch) - 61)] = byte
    batch = seal(parse_header(batch), batch[61:])
    try:
        found = examine_batch(batch)
    except CorruptRecords:
        return
    read = None
    if not found.wrong_times:
        read = list(read_records(batch))
        assert [record.offset for record in read] == list(range(len(records)))
        assert max(NO_TIMESTAMP, *(record.timestamp for record in read)) == found.max_timestamp


@pytest.mark.parametrize(
    ("body", "count"),
    [
        pytest.param(b"", 1, id="nothing"),
        pytest.param(b"\xff" * 100, 3, id="endless numbers"),
        pytest.param(record() + b"\0", 1, id="a byte too many"),
        pytest.param(record() + record(offset=1), 1, id="a record too many"),
        pytest.param(record(), 2, id="a record too few"),
        pytest.param(record(offset=1), 1, id="first offset is not 0"),
        pytest.param(record() + record(), 2, id="twice the same offset"),
        pytest.param(record(offset=-1), 1, id="negative offset"),
        pytest.param(record(length=9), 1, id="record longer than its length"),
        pytest.param(record(length=7), 1, id="record shorter than its length"),
        pytest.param(record(length=-8), 1, id="negative length"),
        pytest.param(b"\x0f" + record()[1:], 1, id="negative length of one byte"),
        pytest.param(b"\xff\xff\xff\xff\x0f" + record()[1:], 1, id="negative length of 5 bytes"),
        pytest.param(b"\x10\0\0\0\x80\x01k\x02v\0", 1, id="key beyond the record"),
        pytest.param(b"\x10\0\0\0\x02k\x7ev\0", 1, id="value beyond the batch"),
        pytest.param(b"\x14\0\0\0\x02k\xff\xff\xff\xff\x0fv\0"[:11], 1, id="value runs backwards"),
        pytest.param(record()[:1] + b"\x80" + record()[2:], 1, id="attributes of a varint"),
        pytest.param(record(headers=b"\x01"), 1, id="negative number of headers"),
        pytest.param(record(headers=encode_varint(10**6)), 1, id="more headers than bytes"),
        pytest.param(record(headers=b"\x02\x01\x00"), 1, id="header without a key"),
        pytest.param(record(headers=b"\x02\x7e\x00"), 1, id="header beyond the batch"),
    ],
)
def test_records_that_contradict_themselves_are_corrupt(body, count):
    with pytest.raises(CorruptRecords):
        examine_batch(batch_of(body, count))


def test_offset_deltas_of_two_and_three_bytes_are_accepted():
    assert (
        examine_batch(write_batch([Record(i, 5, None, b"") for i in range(9000)])).max_timestamp
        == 5
    )


def test_times_beyond_64_bits_are_out_of_any_range():
    batch = batch_of(record(timestamp=2**63 - 1), 1, base_timestamp=2**62)
    assert examine_batch(batch).wrong_times == [(0, 2**62 + 2**63 - 1)]


def test_number_of_reported_records_is_bounded():
    batch = write_batch([Record(i, 5, None, None) for i in range(NAMED_MAX + 5)])
    found = examine_batch(batch, Constraints(6, 7, has_keys=True))
    assert len(found.wrong_times) == len(found.missing_keys) == NAMED_MAX


def test_a_long_examination_pauses_regularly():
    pauses = []
    batch = write_batch([Record(i, i, None, None) for i in range(3000)])
    assert examine_batch(batch, pause=lambda: pauses.append(1)).max_timestamp == 2999
    assert len(pauses) == 2


def batch_with_headers(*counts, codec=Codec.NONE):
    """Returns body, header and batch; `counts` has the number of headers of each record."""
    body = b"".join(
        record(offset=index, headers=encode_varint(count) + b"\0\1" * count)
        for index, count in enumerate(counts)
    )
    header = parse_header(batch_of(body, len(counts)))
    return body, header, seal(header._replace(attributes=codec), compress(codec, body))


def test_the_number_of_headers_in_a_compressed_batch_is_bounded():
    for counts, is_sound in [((1 << 17,), True), ((1 << 16, 1 + (1 << 16)), False)]:
        body, _, batch = batch_with_headers(*counts, codec=Codec.ZSTD)
        assert len(batch) < 1000
        if is_sound:
            examine(body, parse_header(batch), ANY)
            assert len(list(read_records(batch))) == len(counts)
        else:
            with pytest.raises(CorruptRecords, match="headers"):
                examine(body, parse_header(batch), ANY)
    _, _, batch = batch_with_headers(1 + (1 << 17), codec=Codec.ZSTD)
    with pytest.raises(CorruptRecords, match="headers"):
        list(read_records(batch))


def test_as_many_headers_as_fit_are_accepted_in_an_uncompressed_batch():
    body, header, batch = batch_with_headers(200_000)
    examine(body, header, ANY)
    (read,) = read_records(batch)
    assert len(read.headers) == 200_000


def test_a_long_examination_pauses_between_headers():
    pauses = []
    body, header, _ = batch_with_headers(3000)
    examine(body, header, ANY, pause=lambda: pauses.append(1))
    assert len(pauses) in (2, 3)
