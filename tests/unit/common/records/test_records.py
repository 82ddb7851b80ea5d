import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.records import batch as batches
from common.records.batch import Flaw, assign_offset, check, parse_header, seal
from common.records.compression import Codec, compress
from common.records.errors import CorruptRecords, UnsupportedRecords
from common.records.records import (
    Producer,
    Record,
    inflate,
    read_records,
    write_batch,
)
from common.records.varint import encode_varint
from tests.support.wire.record_strategies import record_lists
from tests.support.wire.reference_records import BUILDERS, READERS

NOW = 1_700_000_000_000
RECORDS = [
    Record(0, NOW, b"key", b"value", ((b"name", b"content"), (b"nothing", None))),
    Record(1, NOW + 5, None, b""),
    Record(2, NOW - 5, b"", None, ((b"", b""),)),
    Record(3, -1, None, None),
    Record(4, NOW + 100_000, b"k" * 63, b"v" * 5000),
    Record(5, NOW, b"k" * 64, b"v" * 64),
]


def _batch_of(body: bytes, *, count: int = 1, codec: Codec = Codec.NONE) -> bytes:
    """Returns a batch with any bytes in place of records, with a valid CRC and length."""
    header = parse_header(write_batch([Record(0, NOW, None, None)]))
    last = count - 1
    header = header._replace(attributes=codec, record_count=count, last_offset_delta=last)
    return seal(header, body)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("codec", list(Codec))
def test_clients_read_the_batches_we_write(codec, read):
    batch = write_batch(RECORDS, codec=codec)
    assert not isinstance(check(batch), Flaw)
    assert read(batch) == RECORDS


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
@pytest.mark.parametrize("codec", list(Codec))
def test_we_read_the_batches_that_clients_write(codec, build):
    batch = build(RECORDS, 2, codec)
    assert parse_header(batch).codec == codec
    assert list(read_records(batch)) == RECORDS


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_uncompressed_batches_are_written_byte_for_byte_as_clients_do(build):
    assert assign_offset(write_batch(RECORDS), 0, 0) == assign_offset(build(RECORDS, 2, 0), 0, 0)


@pytest.mark.parametrize("codec", list(Codec))
@settings(max_examples=30)
@given(records=record_lists())
def test_records_are_read_as_they_were_written(codec, records):
    batch = write_batch(records, codec=codec)
    assert list(read_records(batch)) == records
    assert list(read_records(memoryview(batch))) == records


@settings(max_examples=50)
@given(records=record_lists())
def test_clients_read_any_records_that_we_write(records):
    batch = write_batch(records)
    assert all(read(batch) == records for read in READERS.values())


def test_header_has_producer_and_contents():
    producer = Producer(producer_id=9, epoch=3, base_sequence=77)
    batch = write_batch(RECORDS, producer=producer, flags=batches.TRANSACTIONAL)
    header = check(batch)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == producer
    assert header.attributes & batches.TRANSACTIONAL
    assert (header.base_timestamp, header.max_timestamp) == (NOW, NOW + 100_000)
    assert (header.record_count, header.last_offset_delta) == (6, 5)


def test_offsets_may_have_gaps_and_follow_the_base_offset():
    sparse = [RECORDS[0], RECORDS[4]]
    assert [record.offset for record in read_records(write_batch(sparse))] == [0, 4]
    placed = assign_offset(write_batch(RECORDS), 100, 7)
    assert [record.offset for record in read_records(placed)] == list(range(100, 106))


def test_records_are_decoded_on_demand():
    body = inflate(batch := write_batch(RECORDS), parse_header(batch))
    broken = _batch_of(body[:-1] + b"\x02", count=len(RECORDS))
    assert list(itertools.islice(read_records(broken), 5))[3].offset == 3
    with pytest.raises(CorruptRecords):
        list(read_records(broken))


def _record(*fields: bytes | int) -> bytes:
    """Returns a record of these fields, integers as varints, after its length."""
    packed = (encode_varint(field) if isinstance(field, int) else field for field in fields)
    body = b"".join(packed)
    return encode_varint(len(body)) + body


SOUND = _record(b"\0", 0, 0, 1, b"k", 1, b"v", 0)
HUGE = 2**31 - 1

GARBAGE = [
    pytest.param(b"", id="no record at all"),
    pytest.param(SOUND[:-1], id="cut"),
    pytest.param(SOUND + b"\0", id="a byte too many"),
    pytest.param(SOUND + SOUND, id="a record too many"),
    pytest.param(b"\x04" + SOUND[1:], id="length too short"),
    pytest.param(b"\x20" + SOUND[1:], id="length too long"),
    pytest.param(b"\x01" + SOUND[1:], id="negative length"),
    pytest.param(encode_varint(HUGE) + SOUND[1:], id="huge length"),
    pytest.param(_record(b"\0", 0, 0, HUGE, b"k", 1, b"v", 0), id="huge key"),
    pytest.param(_record(b"\0", 0, 0, 3, b"k", 1, b"v", 0), id="key over the value"),
    pytest.param(_record(b"\0", 0, 0, 1, b"k", HUGE, b"v", 0), id="huge value"),
    pytest.param(_record(b"\0", 0, 0, 1, b"k", 2**62, b"v", 0), id="value of 2^62 bytes"),
    pytest.param(_record(b"\0", 0, 1, 1, b"k", 1, b"v", 0), id="offset behind the batch"),
    pytest.param(_record(b"\0", 0, -1, 1, b"k", 1, b"v", 0), id="offset before the batch"),
    pytest.param(_record(b"\0", 0, 0, 1, b"k", 1, b"v", -1), id="negative header count"),
    pytest.param(_record(b"\0", 0, 0, 1, b"k", 1, b"v", HUGE), id="huge header count"),
    pytest.param(_record(b"\0", 0, 0, -1, -1, 1, -1, b"h"), id="header without key"),
    pytest.param(_record(b"\0", 0, 0, -1, -1, 1, -1), id="header without key or value"),
    pytest.param(_record(b"\0", 0, 0, -1, -1, 1, -40, -1), id="header that goes backwards"),
    pytest.param(_record(b"\0", 0, 0, -1, -1, 1, 1, b"h", HUGE), id="huge header value"),
    pytest.param(b"\x80" * 11 + SOUND, id="endless varint"),
]


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("body", GARBAGE)
def test_garbage_under_a_valid_crc_is_corrupt(body, codec):
    batch = _batch_of(compress(codec, body), codec=codec)
    assert check(batch) is not Flaw.CRC_MISMATCH
    with pytest.raises(CorruptRecords):
        list(read_records(batch))


def test_a_count_far_beyond_the_records_ends_with_the_records():
    with pytest.raises(CorruptRecords):
        list(read_records(_batch_of(SOUND, count=HUGE)))


@pytest.mark.parametrize("length", [-len(SOUND), -1, 0, len(SOUND) - 2, len(SOUND), 10_000])
def test_a_record_with_a_false_length_in_the_middle_is_corrupt(length):
    """The records after it are not read either, wherever its length says that they begin."""
    false_record = encode_varint(length) + SOUND[1:]
    reading = read_records(_batch_of(SOUND + false_record + SOUND * 2, count=4))
    assert next(reading).value == b"v"
    with pytest.raises(CorruptRecords):
        next(reading)


@pytest.mark.parametrize("size", [0, 1, 50, 100, 130, 5_000])
def test_headers_of_any_size_are_read_as_they_were_written(size):
    records = [
        Record(offset, NOW, None, b"v", ((b"h", bytes([offset % 3]) * size), (b"null", None)))
        for offset in range(9)
    ]
    assert list(read_records(write_batch(records))) == records


@pytest.mark.parametrize("codec", list(Codec))
@given(body=st.binary(max_size=100))
def test_random_bytes_are_corrupt_or_records_but_never_another_error(codec, body):
    batch = _batch_of(compress(codec, body), codec=codec, count=3)
    try:
        assert len(list(read_records(batch))) == 3
    except CorruptRecords:
        pass
    else:
        assert len(body) >= 21


#: Without snappy, whose highest ratio is always allowed.
@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.LZ4, Codec.ZSTD])
def test_a_batch_that_inflates_beyond_the_limit_is_corrupt(codec):
    batch = write_batch([Record(0, NOW, None, bytes(16_800_000))], codec=codec)
    with pytest.raises(CorruptRecords):
        list(read_records(batch))


def test_a_time_that_does_not_fit_into_64_bits_is_corrupt():
    batch = write_batch(RECORDS)
    false_batch = seal(parse_header(batch)._replace(base_timestamp=2**63 - 1), batch[61:])
    with pytest.raises(CorruptRecords):
        list(read_records(false_batch))


def test_a_codec_that_does_not_exist_is_unsupported():
    batch = seal(parse_header(_batch_of(SOUND))._replace(attributes=5), SOUND)
    with pytest.raises(UnsupportedRecords):
        read_records(batch)


@pytest.mark.parametrize("end", [0, 20, 61, -1])
def test_bytes_other_than_one_whole_batch_are_corrupt(end):
    with pytest.raises(CorruptRecords):
        read_records(write_batch(RECORDS)[:end])


def test_a_message_set_is_not_a_batch():
    with pytest.raises(CorruptRecords):
        read_records(BUILDERS["aiokafka"]([Record(0, NOW, b"k", bytes(100))], 1, 0))
