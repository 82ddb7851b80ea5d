import pytest
from kafka.record import MemoryRecords

from common.records.batch import parse_header
from common.records.errors import CorruptRecords, UnsupportedRecords
from common.records.keyed import delete_horizon_ms, keyed_records, with_records
from tests.support.wire.batches import CODECS, TIMESTAMP_TYPE_BIT, record_batch
from tests.support.wire.records import Header, Record

START_MS = 1_700_000_000_000
RECORDS = [
    Record(b"one", b"a", (Header("h", b"v"), Header("h", None)), START_MS + 5),
    Record(None, b"b", (), START_MS - 7),
    Record(b"", b"", (), START_MS + 9),
    Record(b"keyless", None, (), START_MS),
]


def read(batch):
    """Reads a batch with kafka-python: offset, timestamp, key, value and headers."""
    (records,) = MemoryRecords(batch)
    return [
        (
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            tuple(map(tuple, record.headers)),
        )
        for record in records
    ]


def open_batch(batch):
    header = parse_header(batch)
    return header, list(keyed_records(batch, header))


@pytest.mark.parametrize("codec", CODECS)
def test_keyed_records_have_offset_time_key_and_whether_the_value_is_null(codec):
    _, records = open_batch(record_batch(RECORDS, codec=codec, base_offset=100))
    assert [record[:4] for record in records] == [
        (100, START_MS + 5, b"a", False),
        (101, START_MS - 7, b"b", True),
        (102, START_MS + 9, b"", False),
        (103, START_MS, None, False),
    ]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kept_indexes", [[0], [1, 3], [0, 1, 2, 3]])
def test_rewritten_batch_keeps_its_offsets_and_the_selected_records(codec, kept_indexes):
    batch = record_batch(RECORDS, codec=codec, base_offset=100, producer=(7, 1, 40), leader_epoch=3)
    header, records = open_batch(batch)
    rewritten = with_records(header, [records[index] for index in kept_indexes])
    assert read(rewritten) == [read(batch)[index] for index in kept_indexes]
    new_header = parse_header(rewritten)
    assert new_header.last_offset == header.last_offset == 103
    assert new_header.last_sequence == header.last_sequence == 43
    changed = {"batch_length", "crc", "max_timestamp", "record_count"}
    for field in set(header._fields) - changed:
        assert getattr(new_header, field) == getattr(header, field), field
    assert new_header.max_timestamp == max(records[index].timestamp for index in kept_indexes)


def test_a_delete_horizon_does_not_change_the_times_of_records():
    """KIP-534: the horizon takes the field of the base timestamp."""
    batch = record_batch(RECORDS)
    header, records = open_batch(batch)
    rewritten = with_records(header, records[:2], delete_horizon_ms=START_MS + 86_400_000)
    assert read(rewritten) == read(batch)[:2]
    new_header, reread = open_batch(rewritten)
    assert (delete_horizon_ms(header), delete_horizon_ms(new_header)) == (
        None,
        START_MS + 86_400_000,
    )
    assert reread == records[:2]
    assert (
        delete_horizon_ms(parse_header(with_records(new_header, reread[:1])))
        == START_MS + 86_400_000
    )


def test_rewritten_batch_keeps_its_log_append_time():
    header, records = open_batch(record_batch(RECORDS, attributes=TIMESTAMP_TYPE_BIT))
    assert parse_header(with_records(header, records[1:2])).max_timestamp == header.max_timestamp


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"payload": b""}, CorruptRecords),
        ({"payload": b"\x02\0"}, CorruptRecords),
        ({"payload": b"\x7f" * 40}, CorruptRecords),
        ({"count": 3}, CorruptRecords),
        ({"last_offset_delta": 1}, CorruptRecords),
        ({"attributes": 5}, UnsupportedRecords),
    ],
)
def test_garbage_is_refused(changes, error):
    with pytest.raises(error):
        open_batch(record_batch(RECORDS, **changes))


def test_a_value_does_not_reach_into_the_next_record():
    batch = bytearray(record_batch([Record(b"v" * 10, b"k"), Record(b"w", b"k")]))
    # Length of the first value, after length, attributes, two deltas, and the key with its own.
    batch[61 + 6] = 60
    with pytest.raises(CorruptRecords):
        open_batch(bytes(batch))
