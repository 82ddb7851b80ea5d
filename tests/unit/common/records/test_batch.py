import pytest
from crc32c import crc32c

from common.records import batch as batches
from common.records.batch import (
    BatchHeader,
    Flaw,
    assign_offset,
    check,
    inflated_bytes_max,
    iter_batches,
    parse_header,
    seal,
    stamp_log_append_time,
)
from common.records.errors import CorruptRecords
from common.records.records import Producer, Record, write_batch
from tests.support.wire.reference_records import READERS

RECORDS = [Record(offset, 1_700_000_000_000 + offset, b"key", b"value") for offset in range(3)]
BATCH = write_batch(RECORDS, producer=Producer(7, 1, 40))

#: As aiokafka writes one record with key b"k" and value b"v" at timestamp 1000.
GOLDEN = bytes.fromhex(
    "0000000000000000 0000003a ffffffff 02 716a6189 0000 00000000"
    "00000000000003e8 00000000000003e8 ffffffffffffffff ffff ffffffff 00000001"
    "10 00 00 00 02 6b 02 76 00"
)


def _changed(**fields: int) -> bytes:
    """Returns BATCH with other header fields and a CRC that fits them."""
    header = parse_header(BATCH)._replace(**fields)
    sealed = bytearray(seal(header, BATCH[batches.HEADER_BYTES :]))
    if "batch_length" in fields:
        sealed[8:12] = header.batch_length.to_bytes(4, "big", signed=True)
    sealed[16] = header.magic
    return bytes(sealed)


#: Number of records of the least size, seven bytes, that fit into the batch.
RECORD_COUNT_MAX = (len(BATCH) - batches.HEADER_BYTES) // 7


def test_the_crc_is_castagnolis():
    assert crc32c(b"123456789") == 0xE3069283


def test_a_header_is_read_field_by_field():
    assert check(GOLDEN) == BatchHeader(
        base_offset=0,
        batch_length=58,
        leader_epoch=-1,
        magic=2,
        crc=0x716A6189,
        attributes=0,
        last_offset_delta=0,
        base_timestamp=1000,
        max_timestamp=1000,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        record_count=1,
    )
    assert write_batch([Record(0, 1000, b"k", b"v")]) == GOLDEN


def test_a_header_anywhere_in_a_buffer_is_found_by_its_position():
    assert parse_header(b"front" + BATCH, 5) == parse_header(BATCH)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_bytearrays_and_views_are_accepted(kind):
    assert check(kind(BATCH)) == parse_header(BATCH)
    assert assign_offset(kind(BATCH), 9, 9) == assign_offset(BATCH, 9, 9)
    assert stamp_log_append_time(kind(BATCH), 9) == stamp_log_append_time(BATCH, 9)
    assert len(list(iter_batches(kind(BATCH)))) == 1


def test_header_properties_follow_from_its_fields():
    header = parse_header(_changed(base_offset=100, attributes=0x1A))
    assert (header.size, header.last_offset, header.codec) == (len(BATCH), 102, 2)
    assert header.is_log_append_time
    assert not header.is_control


@pytest.mark.parametrize(
    ("base", "count", "last"),
    [
        pytest.param(40, 3, 42, id="plain"),
        pytest.param(2**31 - 1, 1, 2**31 - 1, id="the largest"),
        pytest.param(2**31 - 2, 3, 0, id="wraps to 0"),
        pytest.param(-1, 3, -1, id="none"),
    ],
)
def test_the_last_sequence_follows_from_the_first(base, count, last):
    header = parse_header(BATCH)._replace(base_sequence=base, last_offset_delta=count - 1)
    assert header.last_sequence == last


@pytest.mark.parametrize(
    ("batch", "flaw"),
    [
        pytest.param(b"", Flaw.NO_BATCH, id="nothing"),
        pytest.param(BATCH[:10], Flaw.TRUNCATED, id="cut before the magic"),
        pytest.param(BATCH[:60], Flaw.TRUNCATED, id="cut in the header"),
        pytest.param(BATCH[:-1], Flaw.TRUNCATED, id="cut in the records"),
        pytest.param(BATCH + BATCH, Flaw.SEVERAL_BATCHES, id="two batches"),
        pytest.param(BATCH + b"\0", Flaw.SEVERAL_BATCHES, id="a byte too many"),
        pytest.param(_changed(batch_length=-1), Flaw.TRUNCATED, id="negative length"),
        pytest.param(_changed(batch_length=48), Flaw.TRUNCATED, id="length below that of a header"),
        pytest.param(_changed(magic=1), Flaw.WRONG_MAGIC, id="magic 1"),
        pytest.param(_changed(magic=3), Flaw.WRONG_MAGIC, id="magic 3"),
        pytest.param(BATCH[:17] + bytes(17), Flaw.TRUNCATED, id="length of a short message set"),
        pytest.param(BATCH[:-1] + b"!", Flaw.CRC_MISMATCH, id="a changed byte"),
        pytest.param(_changed(record_count=0), Flaw.WRONG_COUNT, id="no records"),
        pytest.param(_changed(record_count=-1), Flaw.WRONG_COUNT, id="fewer than no records"),
        pytest.param(
            _changed(record_count=0, last_offset_delta=-1), Flaw.WRONG_COUNT, id="an empty range"
        ),
        pytest.param(_changed(record_count=2), Flaw.WRONG_COUNT, id="count below the offsets"),
        pytest.param(
            _changed(record_count=RECORD_COUNT_MAX + 1, last_offset_delta=RECORD_COUNT_MAX),
            Flaw.WRONG_COUNT,
            id="more records than bytes",
        ),
        pytest.param(
            _changed(attributes=1, record_count=2**31 - 1, last_offset_delta=2**31 - 2),
            Flaw.WRONG_COUNT,
            id="more records than could be compressed",
        ),
        pytest.param(_changed(attributes=0x20), Flaw.CONTROL_BATCH, id="control"),
        pytest.param(_changed(attributes=0x05), Flaw.UNKNOWN_CODEC, id="codec 5"),
        pytest.param(_changed(base_sequence=-1), Flaw.NO_SEQUENCE, id="producer, no sequence"),
    ],
)
def test_check_returns_the_flaw(batch, flaw):
    assert check(batch) is flaw


def test_a_record_count_that_fits_the_bytes_is_accepted():
    assert (
        check(
            _changed(record_count=RECORD_COUNT_MAX, last_offset_delta=RECORD_COUNT_MAX - 1)
        ).record_count
        == RECORD_COUNT_MAX
    )


def test_a_batch_cut_anywhere_is_refused():
    assert all(isinstance(check(BATCH[:end]), Flaw) for end in range(len(BATCH)))


def test_a_changed_byte_is_detected_wherever_the_crc_or_the_length_covers_it():
    undetected = set()
    for position in range(len(BATCH)):
        changed = bytearray(BATCH)
        changed[position] ^= 0xFF
        if not isinstance(check(changed), Flaw):
            undetected.add(position)
    base_offset, leader_epoch = range(8), range(12, 16)
    assert undetected == {*base_offset, *leader_epoch}


def test_inflated_bytes_max_is_16_mib_and_more_for_larger_batches():
    assert inflated_bytes_max(0) == inflated_bytes_max(2**19) == 2**24
    assert inflated_bytes_max(2**20) == 2**25


def test_a_placed_batch_has_its_offsets_and_epoch_and_a_valid_crc():
    placed = assign_offset(BATCH, 2**40, 5)
    before, after = parse_header(BATCH), check(placed)
    assert after == before._replace(base_offset=2**40, leader_epoch=5)
    assert placed[16:] == BATCH[16:]


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_clients_read_the_log_append_time_from_a_stamped_batch(read):
    stamped = stamp_log_append_time(BATCH, 1_800_000_000_000)
    assert check(stamped).is_log_append_time
    assert [(r.timestamp, r.key) for r in read(stamped)] == [(1_800_000_000_000, b"key")] * 3
    assert parse_header(stamped).base_timestamp == parse_header(BATCH).base_timestamp


def test_iter_batches_finds_each_batch_by_its_header():
    chunk = assign_offset(BATCH, 0, 0) + assign_offset(GOLDEN, 3, 0)
    batches_found = [(position, header.base_offset) for position, header in iter_batches(chunk)]
    assert batches_found == [(0, 0), (len(BATCH), 3)]
    assert list(iter_batches(b"")) == []


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(BATCH + BATCH[:-1], id="cut in the records"),
        pytest.param(BATCH + BATCH[:20], id="cut in the header"),
        pytest.param(_changed(magic=1), id="magic 1"),
        pytest.param(_changed(batch_length=-12), id="a length that does not advance"),
        pytest.param(_changed(batch_length=-100), id="a length that goes backwards"),
    ],
)
def test_a_chunk_that_is_not_whole_batches_is_corrupt(chunk):
    with pytest.raises(CorruptRecords):
        list(iter_batches(chunk))
