"""Invalid record batches: each is refused with the right error, and nothing of it is stored."""

import struct

import pytest

from tests.support.clients.raw_client import LATEST, LIST_OFFSETS, PRODUCE, now_ms
from tests.support.wire.batches import (
    ATTRIBUTES_AT,
    COMPRESS,
    CONTROL_BIT,
    TIMESTAMP_TYPE_BIT,
    overflowing_batch,
    record_batch,
    with_valid_crc,
)
from tests.support.wire.kafka08 import Kafka08Client
from tests.support.wire.kafka_socket import KafkaSocket
from tests.support.wire.kio_client import ask
from tests.support.wire.message_sets import message_set
from tests.support.wire.records import Record, numbered

CORRUPT_MESSAGE, MESSAGE_TOO_LARGE, INVALID_TIMESTAMP, INVALID_RECORD = 2, 10, 32, 87
VALID_BATCH = record_batch(numbered(3))
BOMB = COMPRESS["zstd"](b"\x0c\0\0\0\x01\x01\0" * 2_300_000)
LENGTH_AT, MAGIC_AT, LAST_DELTA_AT, PRODUCER_AT, COUNT_AT = 8, 16, 23, 43, 57


def patch(at, layout, value, batch=VALID_BATCH):
    """Returns `batch` with one field changed, and its CRC unchanged."""
    corrupted = bytearray(batch)
    struct.pack_into(layout, corrupted, at, value)
    return bytes(corrupted)


def patch_with_valid_crc(at, layout, value):
    """Returns VALID_BATCH with one field changed, and a CRC that matches."""
    return with_valid_crc(patch(at, layout, value))


@pytest.mark.parametrize(
    ("batch", "error_codes"),
    [
        pytest.param(patch(len(VALID_BATCH) - 1, ">B", 1), {2}, id="wrong CRC"),
        pytest.param(patch(17, ">I", 0), {2}, id="no CRC"),
        pytest.param(VALID_BATCH[:-1], {2, 87}, id="last byte missing"),
        pytest.param(VALID_BATCH[:61], {2, 87}, id="header only"),
        pytest.param(VALID_BATCH[:40], {2, 87}, id="half a header"),
        pytest.param(b"\0" * 8, {2, 87}, id="eight zero bytes"),
        pytest.param(b"", {2, 87}, id="empty"),
        pytest.param(VALID_BATCH + b"\0", {2, 87}, id="one extra byte"),
        pytest.param(VALID_BATCH + VALID_BATCH, {87}, id="two batches"),
        pytest.param(patch(LENGTH_AT, ">i", 2**31 - 1), {2, 87}, id="largest length"),
        pytest.param(patch(LENGTH_AT, ">i", -1), {2, 87}, id="negative length"),
        pytest.param(patch(LENGTH_AT, ">i", 0), {2, 87}, id="length zero"),
        pytest.param(patch(MAGIC_AT, ">b", 1), {2, 87}, id="magic 1"),
        pytest.param(patch(MAGIC_AT, ">b", 3), {2, 87}, id="magic 3"),
        pytest.param(message_set(numbered(1), magic=1), {2, 87}, id="message set"),
        pytest.param(patch_with_valid_crc(COUNT_AT, ">i", 0), {87}, id="count 0"),
        pytest.param(patch_with_valid_crc(COUNT_AT, ">i", -1), {87}, id="count -1"),
        pytest.param(patch_with_valid_crc(COUNT_AT, ">i", 4), {87}, id="count too high"),
        pytest.param(patch_with_valid_crc(COUNT_AT, ">i", 2**31 - 1), {87}, id="largest count"),
        pytest.param(
            patch_with_valid_crc(LAST_DELTA_AT, ">i", -1), {87}, id="negative last offset"
        ),
        pytest.param(
            patch_with_valid_crc(LAST_DELTA_AT, ">i", 2**31 - 1), {87}, id="largest last offset"
        ),
        pytest.param(
            patch_with_valid_crc(PRODUCER_AT, ">q", 5), {87}, id="producer without sequence"
        ),
        pytest.param(
            patch_with_valid_crc(ATTRIBUTES_AT, ">h", CONTROL_BIT), {87}, id="control batch"
        ),
        pytest.param(patch_with_valid_crc(ATTRIBUTES_AT, ">h", 7), {2, 76, 87}, id="unknown codec"),
        pytest.param(record_batch([], last_offset_delta=-1), {87}, id="no records"),
        pytest.param(
            record_batch(numbered(1, size=1_100_000)), {MESSAGE_TOO_LARGE}, id="too large"
        ),
        pytest.param(
            record_batch(numbered(1), base_timestamp_ms=now_ms() + 2 * 3_600_000),
            {INVALID_TIMESTAMP},
            id="time two hours ahead",
        ),
        pytest.param(overflowing_batch(), {INVALID_TIMESTAMP}, id="time of 65 bits"),
        pytest.param(
            record_batch(numbered(1), base_timestamp_ms=-2), {INVALID_TIMESTAMP}, id="negative time"
        ),
        pytest.param(
            record_batch(
                [],
                codec="zstd",
                payload=BOMB,
                count=2_300_000,
                last_offset_delta=2_299_999,
            ),
            {INVALID_RECORD},
            id="2.3 million records in 1.5 KB",
        ),
    ],
)
def test_an_invalid_batch_is_refused(batch, error_codes, raw, topic):
    assert raw.produce(topic, batch).error_code in error_codes
    assert raw.offset_at(topic, LATEST) == 0
    assert raw.produce(topic, VALID_BATCH) == (0, 0)


def test_one_invalid_batch_does_not_affect_other_partitions_of_the_request(raw):
    topic = raw.create_topic(partitions=3)
    data = [
        {"index": 0, "records": VALID_BATCH},
        {"index": 1, "records": patch(17, ">I", 0)},
        {"index": 2, "records": VALID_BATCH},
    ]
    values = {
        "transactional_id": None,
        "acks": -1,
        "timeout": 30_000,
        "topic_data": [{"name": topic, "partition_data": data}],
    }
    (response,) = ask(raw, PRODUCE, 9, values).responses
    codes = {
        partition.index: int(partition.error_code) for partition in response.partition_responses
    }
    assert codes == {0: 0, 1: CORRUPT_MESSAGE, 2: 0}


def test_a_batch_with_the_append_time_bit_is_refused(raw):
    topic = raw.create_topic(configs={"message.timestamp.type": "LogAppendTime"})
    batch = record_batch(numbered(1), attributes=TIMESTAMP_TYPE_BIT)
    assert raw.produce(topic, batch).error_code == INVALID_TIMESTAMP


def test_record_errors_name_each_record_with_an_invalid_timestamp(raw, topic):
    """Produce has `record_errors` since version 8 (KIP-467)."""
    ahead_ms = now_ms() + 10**9
    records = [Record(b"a"), Record(b"b", timestamp_ms=ahead_ms), Record(b"c", timestamp_ms=-7)]
    batch = record_batch(records, base_timestamp_ms=now_ms())
    data = {"name": topic, "partition_data": [{"index": 0, "records": batch}]}
    values = {"transactional_id": None, "acks": -1, "timeout": 30_000, "topic_data": [data]}
    (response,) = ask(raw, PRODUCE, 8, values).responses
    (result,) = response.partition_responses
    assert result.error_code == INVALID_TIMESTAMP
    assert [error.batch_index for error in result.record_errors] == [1, 2]
    assert str(ahead_ms) in result.record_errors[0].batch_index_error_message


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_examining_many_records_delays_no_other_client(codec, raw):
    """The fixture's bystander is served meanwhile, and appends to the log keep their order."""
    topic = raw.create_topic(configs={"cleanup.policy": "compact", "max.message.bytes": "4000000"})
    large = record_batch([Record(None, b"k")] * 200_000, codec=codec)
    small = record_batch([Record(b"v", b"k")])
    for number in range(3):
        assert raw.produce(topic, large) == (0, number * 200_001)
        assert raw.produce(topic, small) == (0, number * 200_001 + 200_000)
    assert raw.offset_at(topic, 1_700_000_000_000) == 0
    assert raw.offset_at(topic, 1_700_000_000_001) == -1


@pytest.mark.parametrize("acks", [2, -2, 32767])
def test_invalid_acks_are_refused(acks, raw, topic):
    assert raw.produce(topic, VALID_BATCH, acks=acks).error_code == 21
    assert raw.offset_at(topic, LATEST) == 0


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_garbage_behind_a_valid_crc_harms_no_other_client(codec, broker, raw, topic):
    """The broker does not decode records, so it may store them; consumers must handle that."""
    garbage = record_batch(numbered(3), codec=codec, payload=b"\xff" * 100)
    error_code = raw.produce(topic, garbage).error_code
    assert error_code in (0, CORRUPT_MESSAGE, INVALID_RECORD)
    base = raw.produce(topic, VALID_BATCH).base_offset
    with KafkaSocket(broker.address) as connection:
        old_client = Kafka08Client(connection)
        assert old_client.fetch(topic, 0, 0).error_code in (0, CORRUPT_MESSAGE, 76)
        fetched = old_client.fetch(topic, 0, base)
        assert [message.offset for message in fetched.messages] == [base, base + 1, base + 2]
    found = list_offset(raw, topic, 1_700_000_000_000)
    assert found.error_code in (0, CORRUPT_MESSAGE, INVALID_RECORD, -1)
    assert raw.fetch(topic, base).offsets == [base, base + 1, base + 2]


def list_offset(raw, topic, timestamp):
    """Returns the response of ListOffsets for partition 0."""
    partition = {"partition_index": 0, "timestamp": timestamp}
    values = {
        "replica_id": -1,
        "isolation_level": 0,
        "topics": [{"name": topic, "partitions": [partition]}],
    }
    return ask(raw, LIST_OFFSETS, 7, values).topics[0].partitions[0]


def test_a_compacted_topic_requires_keys(raw):
    topic = raw.create_topic(configs={"cleanup.policy": "compact"})
    assert raw.produce(topic, record_batch([Record(b"v", b"k")])) == (0, 0)
    assert raw.produce(topic, record_batch([Record(b"v")])).error_code == INVALID_RECORD
