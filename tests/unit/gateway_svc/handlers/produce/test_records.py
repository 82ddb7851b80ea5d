import random
import zlib
from unittest.mock import ANY

import pytest

from gateway_svc.handlers.produce.records import check_batch, convert_to_batch
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.batches import record_batch
from tests.support.wire.message_sets import message_set
from tests.support.wire.records import Record, numbered

BATCH = record_batch(numbered(2))
DEFAULT_LIMIT = 1_048_588


def convert(records, version=2, *, limit=DEFAULT_LIMIT, count=lambda _: None):
    return convert_to_batch(records, version, limit, count)


def test_checked_batch_returns_the_same_object():
    view = memoryview(BATCH)
    assert check_batch(view, 9) is view


def test_checked_batch_returns_records_shorter_than_a_header():
    for size in (1, 16, 17, 22, 60):
        assert check_batch(BATCH[:size], 9) == BATCH[:size]


def test_converted_batch_keeps_a_batch_of_magic_2_except_zstd():
    assert convert(BATCH) == BATCH
    refusal = convert(record_batch(numbered(1), codec="zstd"))
    assert refusal.error_code is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


def test_converted_batch_rejects_zstd_in_a_message_set():
    wrapped = bytearray(message_set(numbered(1), magic=1, codec="gzip"))
    wrapped[17] = 4  # zstd, in the attributes; the CRC then fails too, so fix it
    wrapped[12:16] = zlib.crc32(bytes(wrapped[16:])).to_bytes(4, "big")
    assert convert(bytes(wrapped)).error_code is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", ["none", "gzip"])
def test_converted_batch_rejects_a_set_whose_batch_is_too_large(magic, codec):
    records = [Record(random.Random(n).randbytes(400)) for n in range(20)]
    messages = message_set(records, magic=magic, codec=codec)
    limit = max(len(messages), 8500)
    assert isinstance(convert(messages, limit=limit), bytes)
    assert convert(messages, limit=5000) == (ErrorCode.MESSAGE_TOO_LARGE, ANY)


def test_converted_batch_counts_decompressed_and_converted_bytes():
    byte_counts = []
    messages = message_set([Record(bytes(100_000))], magic=1, codec="gzip")
    convert(messages, count=byte_counts.append)
    assert byte_counts == [2 * (100_000 + 34)]
    convert(message_set(numbered(5), magic=1), count=byte_counts.append)
    assert len(byte_counts) == 1
