import random
import zlib
from unittest.mock import ANY

import pytest

from gateway_svc.handlers.produce.records import checked_batch, converted_batch
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.batches import record_batch
from tests.support.wire.message_sets import message_set
from tests.support.wire.records import Record, numbered

BATCH = record_batch(numbered(2))


DEFAULT_LIMIT = 1_048_588


def converted(records, version=2, *, limit=DEFAULT_LIMIT, count=lambda _: None):
    return converted_batch(records, version, limit, count)


def test_a_batch_passes_through_as_the_very_object_that_came():
    view = memoryview(BATCH)
    assert checked_batch(view, 9) is view


def test_records_shorter_than_a_header_go_to_the_owner():
    for size in (1, 16, 17, 22, 60):
        assert checked_batch(BATCH[:size], 9) == BATCH[:size]


def test_a_batch_of_magic_2_in_an_old_version_passes_unless_it_is_zstd():
    assert converted(BATCH) == BATCH
    refused = converted(record_batch(numbered(1), codec="zstd"))
    assert refused.error_code is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


def test_a_codec_that_messages_cannot_have_is_unsupported():
    wrapped = bytearray(message_set(numbered(1), magic=1, codec="gzip"))
    wrapped[17] = 4  # zstd, in the attributes; the CRC then fails too, so fix it
    wrapped[12:16] = zlib.crc32(bytes(wrapped[16:])).to_bytes(4, "big")
    assert converted(bytes(wrapped)).error_code is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", ["none", "gzip"])
def test_a_set_is_refused_where_its_batch_is_larger_than_the_topic_accepts(magic, codec):
    records = [Record(random.Random(n).randbytes(400)) for n in range(20)]
    sent = message_set(records, magic=magic, codec=codec)
    limit = max(len(sent), 8500)
    assert isinstance(converted(sent, limit=limit), bytes)
    assert converted(sent, limit=5000) == (ErrorCode.MESSAGE_TOO_LARGE, ANY)


def test_inflated_wrappers_count_with_the_converted_batch():
    counted = []
    sent = message_set([Record(bytes(100_000))], magic=1, codec="gzip")
    converted(sent, count=counted.append)
    assert counted == [2 * (100_000 + 34)]
    converted(message_set(numbered(5), magic=1), count=counted.append)
    assert len(counted) == 1
