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
    """By another reader than ours: offset, timestamp, key, value and headers."""
    (found,) = MemoryRecords(batch)
    return [
        (one.offset, one.timestamp, one.key, one.value, tuple(map(tuple, one.headers)))
        for one in found
    ]


def opened(batch):
    header = parse_header(batch)
    return header, list(keyed_records(batch, header))


@pytest.mark.parametrize("codec", CODECS)
def test_records_have_key_and_time_and_tell_whether_there_is_a_value(codec):
    _, found = opened(record_batch(RECORDS, codec=codec, base_offset=100))
    assert [one[:4] for one in found] == [
        (100, START_MS + 5, b"a", False),
        (101, START_MS - 7, b"b", True),
        (102, START_MS + 9, b"", False),
        (103, START_MS, None, False),
    ]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kept", [[0], [1, 3], [0, 1, 2, 3]])
def test_kept_records_and_offsets_of_the_batch_are_unchanged(codec, kept):
    batch = record_batch(RECORDS, codec=codec, base_offset=100, producer=(7, 1, 40), leader_epoch=3)
    header, found = opened(batch)
    left = with_records(header, [found[index] for index in kept])
    assert read(left) == [read(batch)[index] for index in kept]
    now = parse_header(left)
    assert now.last_offset == header.last_offset == 103
    assert now.last_sequence == header.last_sequence == 43
    unchanged = {"batch_length", "crc", "max_timestamp", "record_count"}
    for field in set(header._fields) - unchanged:
        assert getattr(now, field) == getattr(header, field), field
    assert now.max_timestamp == max(found[index].timestamp for index in kept)


def test_a_delete_horizon_leaves_the_times_of_records_alone():
    """KIP-534: it stands where the base timestamp was."""
    batch = record_batch(RECORDS)
    header, found = opened(batch)
    left = with_records(header, found[:2], delete_horizon_ms=START_MS + 86_400_000)
    assert read(left) == read(batch)[:2]
    now, again = opened(left)
    assert (delete_horizon_ms(header), delete_horizon_ms(now)) == (None, START_MS + 86_400_000)
    assert again == found[:2]
    assert delete_horizon_ms(parse_header(with_records(now, again[:1]))) == START_MS + 86_400_000


def test_a_time_that_the_broker_gave_stays_the_batchs():
    header, found = opened(record_batch(RECORDS, attributes=TIMESTAMP_TYPE_BIT))
    assert parse_header(with_records(header, found[1:2])).max_timestamp == header.max_timestamp


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"payload": b""}, CorruptRecords),
        ({"payload": b"\x02\0"}, CorruptRecords),
        ({"payload": b"\x7f" * 40}, CorruptRecords),
        ({"count": 3}, CorruptRecords),
        ({"last_offset_delta": 1}, CorruptRecords),
        ({"attributes": 5}, UnsupportedRecords),
    ],
)
def test_garbage_is_refused(wrong, error):
    with pytest.raises(error):
        opened(record_batch(RECORDS, **wrong))


def test_a_value_does_not_reach_into_the_next_record():
    batch = bytearray(record_batch([Record(b"v" * 10, b"k"), Record(b"w", b"k")]))
    # Length of the first value, after length, attributes, two deltas, and the key with its own.
    batch[61 + 6] = 60
    with pytest.raises(CorruptRecords):
        opened(bytes(batch))
