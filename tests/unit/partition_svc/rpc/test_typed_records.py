import pytest

from common.records.errors import CorruptRecords
from partition_svc.rpc.typed_records import decode_records
from tests.support.wire.batches import CODECS, CONTROL_BIT, record_batch
from tests.support.wire.records import Record, numbered


def offsets(batches, *, offset=0, bytes_max=1 << 20):
    return [record.offset for record in decode_records(batches, offset=offset, bytes_max=bytes_max)]


def two_batches():
    return [
        record_batch(numbered(3, size=100), base_offset=10),
        record_batch(numbered(3, size=100), base_offset=13, codec="gzip"),
    ]


def test_records_start_at_the_requested_offset():
    assert offsets(two_batches(), offset=11) == [11, 12, 13, 14, 15]
    assert offsets(two_batches(), offset=15) == [15]
    assert offsets([], offset=15) == []


@pytest.mark.parametrize(("bytes_max", "count"), [(0, 1), (130, 1), (131, 2), (260, 2), (261, 3)])
def test_decoding_stops_at_the_limit_of_bytes(bytes_max, count):
    assert len(offsets(two_batches(), bytes_max=bytes_max)) == count


def test_call_decodes_a_megabyte_at_most():
    small = record_batch([Record(None)] * 50_000, codec="gzip")
    count = len(offsets([small], bytes_max=1 << 30))
    assert 30_000 < count < 40_000


def test_headers_count_towards_the_limit():
    headers = tuple(("h", b"v" * 99) for _ in range(10))
    batches = [record_batch([Record(b"v", headers=headers)] * 50, codec="gzip")]
    assert len(offsets(batches, bytes_max=2600)) == 2


def test_control_records_are_skipped():
    control = record_batch(numbered(1), base_offset=13, attributes=CONTROL_BIT)
    assert offsets([two_batches()[0], control]) == [10, 11, 12]


@pytest.mark.parametrize("codec", CODECS)
def test_keys_values_and_headers_are_decoded(codec):
    sent = [Record(None, key=b"k"), Record(b"", key=None, headers=(("h", b"1"), ("h", None)))]
    (first, second) = decode_records([record_batch(sent, codec=codec)], offset=0, bytes_max=100)
    assert (first.key, first.value, first.headers) == (b"k", None, ())
    assert (second.key, second.value) == (None, b"")
    assert second.headers == ((b"h", b"1"), (b"h", None))


def test_bytes_that_are_no_batch_are_corrupt():
    with pytest.raises(CorruptRecords):
        offsets([record_batch(numbered(2), payload=b"\xff" * 30)])


def test_many_records_before_the_offset_call_pause():
    pauses = []
    batches = [record_batch(numbered(3000))]
    found = decode_records(batches, offset=2999, bytes_max=100, pause=lambda: pauses.append(1))
    assert [record.offset for record in found] == [2999]
    assert len(pauses) == 2
