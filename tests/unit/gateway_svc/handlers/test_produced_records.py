import zlib

from gateway_svc.handlers.produced_records import NotAppended, checked_batch, converted_batches
from gateway_svc.wire.apis.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from gateway_svc.wire.error_code import ErrorCode
from tests.support.batches import record_batch
from tests.support.message_sets import message_set
from tests.support.records import numbered

BATCH = record_batch(numbered(2))


def request(*records: object) -> ProduceRequest:
    topics = [
        TopicProduceData(name="t", partition_data=[PartitionProduceData(index=0, records=one)])
        for one in records
    ]
    return ProduceRequest(acks=1, timeout_ms=1, topic_data=topics)


def test_a_batch_passes_through_as_the_very_object_that_came():
    view = memoryview(BATCH)
    assert checked_batch(view, 9) is view


def test_what_is_too_short_for_a_batch_is_left_to_the_owner_to_call_corrupt():
    for size in (1, 16, 17, 22, 60):
        assert checked_batch(BATCH[:size], 9) == BATCH[:size]


def test_batches_come_in_the_order_of_the_request():
    old = [message_set(numbered(count), magic=0) for count in (1, 2)]
    converted = list(converted_batches(request(*old), 0))
    assert [int.from_bytes(one[57:61], "big") for one in converted] == [1, 2]


def test_a_batch_of_magic_2_in_an_old_version_passes_unless_it_is_zstd():
    zstd = record_batch(numbered(1), codec="zstd")
    plain, refused = converted_batches(request(BATCH, zstd), 2)
    assert plain == BATCH
    assert isinstance(refused, NotAppended)
    assert refused.error_code is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


def test_a_codec_that_messages_cannot_have_is_unsupported():
    wrapped = bytearray(message_set(numbered(1), magic=1, codec="gzip"))
    wrapped[17] = 4  # zstd, in the attributes; the CRC then fails too, so fix it
    wrapped[12:16] = zlib.crc32(bytes(wrapped[16:])).to_bytes(4, "big")
    (refused,) = converted_batches(request(bytes(wrapped)), 2)
    assert isinstance(refused, NotAppended)
    assert refused.error_code is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
