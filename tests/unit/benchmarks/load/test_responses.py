import struct
from contextlib import nullcontext

import pytest

from benchmarks.load import requests, responses
from benchmarks.load.responses import WrongResponse


def _batches(*base_offsets, records=10):
    batch = requests.record_batch(b"v", records)
    return b"".join(struct.pack(">q", base) + batch[8:] for base in base_offsets)


def _fetch_response(*partitions, error=0):
    """Returns Fetch v12 for topic "t"; a partition is (index, error, high watermark, records)."""
    body = struct.pack(">ibihi", 1, 0, 0, error, 0) + b"\x02" + b"\x02t"
    body += requests.uvarint(len(partitions) + 1)
    for index, code, high_watermark, records in partitions:
        body += struct.pack(">ihqqq", index, code, high_watermark, high_watermark, 0)
        body += b"\x00" + struct.pack(">i", -1)
        body += requests.uvarint(len(records) + 1) + records + b"\x00"
    body += b"\x00\x00"
    return memoryview(struct.pack(">i", len(body)) + body)


def test_the_layout_of_a_produce_response_finds_partition_error_and_offset():
    layout = responses.produce_response("topic")
    response = (
        struct.pack(">ib", 5, 0)
        + b"\x02\x06topic\x02"
        + struct.pack(">ihqqq", 3, 0, 400, -1, 0)
        + b"\x01\x00\x00\x00"
        + struct.pack(">ib", 0, 0)
    )
    frame = struct.pack(">i", len(response)) + response
    assert layout.size == len(frame)
    assert layout.unpack(frame) == (len(response), 5, 3, 0, 400)


def test_a_fetch_response_has_the_records_of_each_partition():
    records = _batches(20, 30)
    response = _fetch_response((0, 0, 40, records), (1, 0, 7, b""))
    first, second = responses.fetched_partitions(response)
    assert (first.partition, first.high_watermark) == (0, 40)
    assert response[first.records_start : first.records_end] == records
    assert (second.partition, second.high_watermark) == (1, 7)
    assert second.records_start == second.records_end
    assert responses.walk_batches(response, first.records_start, first.records_end, 20) == 40


@pytest.mark.parametrize(
    "response",
    [_fetch_response(error=2), _fetch_response((0, 3, -1, b""))],
    ids=["whole response", "one partition"],
)
def test_a_fetch_response_with_an_error_voids_the_measurement(response):
    with pytest.raises(WrongResponse, match="error code"):
        list(responses.fetched_partitions(response))


@pytest.mark.parametrize(
    "records",
    [_batches(20, 40), _batches(30), _batches(20)[:-1], _batches(20) + b"\x00" * 30],
    ids=["gap", "late start", "cut off", "trailing bytes"],
)
def test_walk_batches_finds_gaps_and_cut_batches(records):
    with pytest.raises(WrongResponse):
        responses.walk_batches(memoryview(records), 0, len(records), 20)


@pytest.mark.parametrize("cut_bytes", [1, 30, len(_batches(0)) - 3])
def test_end_of_whole_batches_leaves_out_a_cut_batch(cut_bytes):
    records = _batches(20, 30)[:-cut_bytes]
    found = responses.complete_batches_end(memoryview(records), 0, len(records))
    assert found == len(_batches(20))


@pytest.mark.parametrize("records", [b"", _batches(20), _batches(20, 30)])
def test_end_of_whole_batches_is_the_end_if_none_is_cut(records):
    assert responses.complete_batches_end(memoryview(records), 0, len(records)) == len(records)


def test_records_without_a_complete_batch_void_the_measurement():
    records = memoryview(_batches(20) * 2)
    with pytest.raises(WrongResponse, match="no complete batch"):
        # The bytes after the end belong to the next partition.
        responses.complete_batches_end(records, 0, 50)


@pytest.mark.parametrize(("errors", "is_refused"), [((0, 0), False), ((0, 3), True)])
def test_deletion_of_topics_is_refused_if_one_has_an_error(errors, is_refused):
    answer = struct.pack(">iii", 1, 0, len(errors))
    answer += b"".join(struct.pack(">h2sh", 2, b"ab", error) for error in errors)
    with pytest.raises(WrongResponse, match="error code 3") if is_refused else nullcontext():
        responses.check_topics_deleted(answer)
