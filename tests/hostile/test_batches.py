"""Record batches that lie: each is refused with the right error, and nothing of it is stored."""

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
GOOD = record_batch(numbered(3))
BOMB = COMPRESS["zstd"](b"\x0c\0\0\0\x01\x01\0" * 2_300_000)
LENGTH_AT, MAGIC_AT, LAST_DELTA_AT, PRODUCER_AT, COUNT_AT = 8, 16, 23, 43, 57


def patched(at, layout, value, batch=GOOD):
    spoilt = bytearray(batch)
    struct.pack_into(layout, spoilt, at, value)
    return bytes(spoilt)


def signed_off(at, layout, value):
    """A field that the CRC covers, changed, with a CRC that fits."""
    return with_valid_crc(patched(at, layout, value))


@pytest.mark.parametrize(
    ("batch", "error_codes"),
    [
        pytest.param(patched(len(GOOD) - 1, ">B", 1), {2}, id="wrong CRC"),
        pytest.param(patched(17, ">I", 0), {2}, id="no CRC"),
        pytest.param(GOOD[:-1], {2, 87}, id="last byte missing"),
        pytest.param(GOOD[:61], {2, 87}, id="header only"),
        pytest.param(GOOD[:40], {2, 87}, id="half a header"),
        pytest.param(b"\0" * 8, {2, 87}, id="eight zero bytes"),
        pytest.param(b"", {2, 87}, id="nothing"),
        pytest.param(GOOD + b"\0", {2, 87}, id="one byte more"),
        pytest.param(GOOD + GOOD, {87}, id="two batches"),
        pytest.param(patched(LENGTH_AT, ">i", 2**31 - 1), {2, 87}, id="largest length"),
        pytest.param(patched(LENGTH_AT, ">i", -1), {2, 87}, id="negative length"),
        pytest.param(patched(LENGTH_AT, ">i", 0), {2, 87}, id="length zero"),
        pytest.param(patched(MAGIC_AT, ">b", 1), {2, 87}, id="magic 1"),
        pytest.param(patched(MAGIC_AT, ">b", 3), {2, 87}, id="magic 3"),
        pytest.param(message_set(numbered(1), magic=1), {2, 87}, id="message set"),
        pytest.param(signed_off(COUNT_AT, ">i", 0), {87}, id="count 0"),
        pytest.param(signed_off(COUNT_AT, ">i", -1), {87}, id="count -1"),
        pytest.param(signed_off(COUNT_AT, ">i", 4), {87}, id="count too high"),
        pytest.param(signed_off(COUNT_AT, ">i", 2**31 - 1), {87}, id="largest count"),
        pytest.param(signed_off(LAST_DELTA_AT, ">i", -1), {87}, id="negative last offset"),
        pytest.param(signed_off(LAST_DELTA_AT, ">i", 2**31 - 1), {87}, id="largest last offset"),
        pytest.param(signed_off(PRODUCER_AT, ">q", 5), {87}, id="producer without sequence"),
        pytest.param(signed_off(ATTRIBUTES_AT, ">h", CONTROL_BIT), {87}, id="control batch"),
        pytest.param(signed_off(ATTRIBUTES_AT, ">h", 7), {2, 76, 87}, id="unknown codec"),
        pytest.param(record_batch([], last_offset_delta=-1), {87}, id="no records"),
        pytest.param(
            record_batch(numbered(1, size=1_100_000)), {MESSAGE_TOO_LARGE}, id="too large"
        ),
        pytest.param(
            record_batch(numbered(1), base_timestamp_ms=now_ms() + 2 * 3_600_000),
            {INVALID_TIMESTAMP},
            id="of the day after",
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
def test_a_batch_that_lies_is_refused(batch, error_codes, raw, topic):
    assert raw.produce(topic, batch).error_code in error_codes
    assert raw.offset_at(topic, LATEST) == 0
    assert raw.produce(topic, GOOD) == (0, 0)


def test_one_bad_partition_does_not_spoil_the_others(raw):
    topic = raw.create_topic(partitions=3)
    data = [
        {"index": 0, "records": GOOD},
        {"index": 1, "records": patched(17, ">I", 0)},
        {"index": 2, "records": GOOD},
    ]
    values = {
        "transactional_id": None,
        "acks": -1,
        "timeout": 30_000,
        "topic_data": [{"name": topic, "partition_data": data}],
    }
    (answered,) = ask(raw, PRODUCE, 9, values).responses
    codes = {one.index: int(one.error_code) for one in answered.partition_responses}
    assert codes == {0: 0, 1: CORRUPT_MESSAGE, 2: 0}


def test_the_append_time_bit_is_the_brokers_to_set(raw):
    topic = raw.create_topic(configs={"message.timestamp.type": "LogAppendTime"})
    batch = record_batch(numbered(1), attributes=TIMESTAMP_TYPE_BIT)
    assert raw.produce(topic, batch).error_code == INVALID_TIMESTAMP


def test_each_record_of_a_wrong_time_is_named(raw, topic):
    """KIP-467, from version 8 on."""
    ahead_ms = now_ms() + 10**9
    records = [Record(b"a"), Record(b"b", timestamp_ms=ahead_ms), Record(b"c", timestamp_ms=-7)]
    batch = record_batch(records, base_timestamp_ms=now_ms())
    data = {"name": topic, "partition_data": [{"index": 0, "records": batch}]}
    values = {"transactional_id": None, "acks": -1, "timeout": 30_000, "topic_data": [data]}
    (answered,) = ask(raw, PRODUCE, 8, values).responses
    (result,) = answered.partition_responses
    assert result.error_code == INVALID_TIMESTAMP
    assert [one.batch_index for one in result.record_errors] == [1, 2]
    assert str(ahead_ms) in result.record_errors[0].batch_index_error_message


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_examining_many_records_delays_no_other_client(codec, raw):
    """The bystander beside this test is served meanwhile; the log itself keeps its order."""
    topic = raw.create_topic(configs={"cleanup.policy": "compact", "max.message.bytes": "4000000"})
    large = record_batch([Record(None, b"k")] * 200_000, codec=codec)
    small = record_batch([Record(b"v", b"k")])
    for number in range(3):
        assert raw.produce(topic, large) == (0, number * 200_001)
        assert raw.produce(topic, small) == (0, number * 200_001 + 200_000)
    assert raw.offset_at(topic, 1_700_000_000_000) == 0
    assert raw.offset_at(topic, 1_700_000_000_001) == -1


@pytest.mark.parametrize("acks", [2, -2, 32767])
def test_acks_that_are_none_are_refused(acks, raw, topic):
    assert raw.produce(topic, GOOD, acks=acks).error_code == 21
    assert raw.offset_at(topic, LATEST) == 0


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_garbage_behind_a_valid_crc_harms_no_other_client(codec, broker, raw, topic):
    """The broker does not open batches, so it may store this one; consumers must cope."""
    garbage = record_batch(numbered(3), codec=codec, payload=b"\xff" * 100)
    stored = raw.produce(topic, garbage).error_code
    assert stored in (0, CORRUPT_MESSAGE, INVALID_RECORD)
    base = raw.produce(topic, GOOD).base_offset
    with KafkaSocket(broker.address) as connection:
        old = Kafka08Client(connection)
        assert old.fetch(topic, 0, 0).error_code in (0, CORRUPT_MESSAGE, 76)
        readable = old.fetch(topic, 0, base)
        assert [message.offset for message in readable.messages] == [base, base + 1, base + 2]
    values = list_offsets_of(topic, 1_700_000_000_000)
    assert values(raw).error_code in (0, CORRUPT_MESSAGE, INVALID_RECORD, -1)
    assert raw.fetch(topic, base).offsets == [base, base + 1, base + 2]


def list_offsets_of(topic, timestamp):
    asked = {"partition_index": 0, "timestamp": timestamp}
    values = {
        "replica_id": -1,
        "isolation_level": 0,
        "topics": [{"name": topic, "partitions": [asked]}],
    }
    return lambda raw: ask(raw, LIST_OFFSETS, 7, values).topics[0].partitions[0]


def test_a_compacted_topic_requires_keys(raw):
    topic = raw.create_topic(configs={"cleanup.policy": "compact"})
    assert raw.produce(topic, record_batch([Record(b"v", b"k")])) == (0, 0)
    assert raw.produce(topic, record_batch([Record(b"v")])).error_code == INVALID_RECORD
