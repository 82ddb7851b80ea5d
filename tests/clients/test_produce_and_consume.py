"""Produce and consume with every client: codecs, keys, headers, nulls, times, sizes."""

import pytest

from tests.clients.adapters.client import ALL_CODECS
from tests.clients.conftest import CLIENTS
from tests.support.clients.raw_client import now_ms
from tests.support.wire.batches import CODECS
from tests.support.wire.records import Header, Record, numbered

#: Two hours ago, so that it is not in the future whatever the clocks differ by.
NOW_MS = now_ms() - 7_200_000

ASSORTED = [
    Record(b"a value", b"a key", (Header("one", b"1"), Header("two", b"2")), NOW_MS),
    Record(None, b"a deleted key", (), NOW_MS + 1),
    Record(b"", b"", (Header("empty", b""), Header("empty", b"twice")), NOW_MS + 2),
    Record(b"no key", None, (), NOW_MS - 1000),
    Record(bytes(range(256)) * 40, bytes(range(256)), (Header("\u00fcml", b"\xff"),), NOW_MS + 3),
    *[Record(b"compressible " * 20, b"k%d" % n, (), NOW_MS + 10 + n) for n in range(50)],
]


def offsets_and_records(reads):
    return [(read.offset, read.record) for read in reads]


@pytest.mark.parametrize("codec", ALL_CODECS)
def test_every_client_reads_the_records_of_each_client(client, codec, broker, topic):
    offsets = client.produce(broker.address, topic, ASSORTED, codec=codec)
    assert offsets == list(range(len(ASSORTED)))
    for reader in CLIENTS:
        reads = reader.consume(broker.address, topic, count=len(ASSORTED))
        assert offsets_and_records(reads) == list(enumerate(ASSORTED)), reader.name


@pytest.mark.parametrize("codec", ALL_CODECS)
def test_batches_are_stored_in_the_codec_of_the_producer(client, codec, broker, raw, topic):
    # librdkafka uses LZ4 only if the broker has FindCoordinator (rdkafka_feature.c).
    client.produce(broker.address, topic, [Record(b"compressible " * 200)] * 20, codec=codec)
    codecs = {batch[22] & 0x07 for batch in raw.fetch_all(topic)}
    assert codecs == {CODECS[codec]}


@pytest.mark.parametrize("offset", [0, 1, 57, 98, 99])
def test_a_client_starts_at_any_offset(client, offset, broker, topic):
    records = numbered(100)
    client.produce(broker.address, topic, records, codec="gzip")
    reads = client.consume(broker.address, topic, offset=offset, count=100 - offset)
    assert [(r.offset, r.value) for r in reads] == [
        (number, records[number].value) for number in range(offset, 100)
    ]


def test_a_client_finds_the_first_record_by_timestamp(client, broker, topic):
    times = [NOW_MS, NOW_MS + 1000, NOW_MS + 500, NOW_MS + 2000]
    records = [Record(b"x", timestamp_ms=time) for time in times]
    for record in records:
        client.produce(broker.address, topic, [record])
    timestamps = [NOW_MS - 5, NOW_MS, NOW_MS + 1, NOW_MS + 1000, NOW_MS + 1001, NOW_MS + 2000]
    found = [client.offset_for_time(broker.address, topic, time) for time in timestamps]
    assert found == [0, 0, 1, 1, 3, 3]
    assert client.offset_for_time(broker.address, topic, NOW_MS + 2001) is None


def test_a_timestamp_within_a_batch_finds_the_record(client, broker, topic):
    records = [Record(b"x", timestamp_ms=NOW_MS + n * 10) for n in range(20)]
    client.produce(broker.address, topic, records, codec="zstd")
    assert client.offset_for_time(broker.address, topic, NOW_MS + 95) == 10


def test_a_client_sees_the_first_and_the_next_offset(client, broker, topic):
    assert client.bounds(broker.address, topic) == (0, 0)
    client.produce(broker.address, topic, numbered(7))
    assert client.bounds(broker.address, topic) == (0, 7)


@pytest.mark.parametrize("acks", [0, 1, -1], ids=["acks=0", "acks=1", "acks=all"])
def test_records_are_stored_in_order_with_each_acks_setting(client, acks, broker, topic):
    records = numbered(500)
    offsets = client.produce(broker.address, topic, records, acks=acks)
    assert offsets == ([-1] * 500 if acks == 0 else list(range(500)))
    reads = client.consume(broker.address, topic, count=500)
    assert [read.value for read in reads] == [record.value for record in records]


@pytest.mark.parametrize("codec", ["none", "lz4"])
def test_records_of_900_kilobytes_are_read_unchanged(client, codec, broker, topic):
    records = [Record(bytes([n]) * 900_000) for n in range(4)]
    client.produce(broker.address, topic, records, codec=codec)
    reads = client.consume(broker.address, topic, count=4)
    assert [read.value for read in reads] == [record.value for record in records]


def test_a_record_over_the_size_limit_is_refused_and_takes_no_offset(client, broker, topic):
    with pytest.raises(Exception, match=r"(?i)message.*size|too.?large"):
        client.produce(broker.address, topic, [Record(bytes(1_100_000))])
    assert client.produce(broker.address, topic, [Record(b"next")]) == [0]


def test_a_topic_may_allow_larger_messages(client, broker, raw):
    topic = raw.create_topic(configs={"max.message.bytes": "3000000"})
    large = Record(bytes(2_900_000))
    client.produce(broker.address, topic, [large])
    assert [read.value for read in client.consume(broker.address, topic, count=1)] == [large.value]


def test_idempotent_producers_get_ascending_offsets(client, broker, topic):
    records = numbered(300)
    offsets = client.produce(broker.address, topic, records, idempotent=True)
    assert offsets == list(range(300))
    reads = client.consume(broker.address, topic, count=300)
    assert [read.value for read in reads] == [record.value for record in records]


def test_a_log_append_time_topic_timestamps_every_record(client, broker, raw):
    topic = raw.create_topic(configs={"message.timestamp.type": "LogAppendTime"})
    before_ms = now_ms()
    client.produce(broker.address, topic, [Record(b"x", timestamp_ms=NOW_MS)] * 5, codec="gzip")
    after_ms = now_ms()
    reads = client.consume(broker.address, topic, count=5)
    assert all(before_ms <= read.record.timestamp_ms <= after_ms for read in reads)
    assert client.offset_for_time(broker.address, topic, before_ms) == 0


def test_partitions_have_separate_offsets(client, broker, raw):
    topic = raw.create_topic(partitions=3)
    for partition in range(3):
        records = [Record(b"%d-%d" % (partition, n)) for n in range(partition + 1)]
        client.produce(broker.address, topic, records, partition=partition)
    for partition in range(3):
        bounds = client.bounds(broker.address, topic, partition=partition)
        assert bounds == (0, partition + 1)
        (last,) = client.consume(
            broker.address, topic, partition=partition, offset=partition, count=1
        )
        assert last.value == b"%d-%d" % (partition, partition)
