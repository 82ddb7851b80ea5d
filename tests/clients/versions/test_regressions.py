"""Regression tests for thirteen bugs of the broker from which ringlog was developed."""

import struct
import threading
import zlib

import pytest

from tests.support.clients.raw_client import (
    EARLIEST,
    FETCH,
    LATEST,
    LIST_OFFSETS,
    PRODUCE,
    RawClient,
)
from tests.support.processes.deployments import DEPLOYMENTS
from tests.support.wire.batches import record_batch
from tests.support.wire.kafka08 import Kafka08Client
from tests.support.wire.kafka_socket import KafkaSocket, request_header_v1
from tests.support.wire.kio_client import message, read_response, request_frame
from tests.support.wire.message_sets import message_set, pack_message
from tests.support.wire.records import Record, numbered

WITHIN_S = 60


@pytest.fixture
def old_client(broker):
    with KafkaSocket(broker.address) as connection:
        yield Kafka08Client(connection)


def test_1_a_message_larger_than_a_storage_chunk_does_not_hang_the_broker(old_client, topic):
    large = Record(b"x" * 5000)
    assert old_client.produce(topic, 0, message_set([large], magic=0)) == (0, 0)
    assert [message.value for message in old_client.fetch(topic, 0, 0).messages] == [large.value]


def test_2_a_partition_accepts_appends_beyond_40_megabytes(raw, topic):
    batch = record_batch(numbered(1, size=900_000))
    for number in range(60):
        assert raw.produce(topic, batch, acks=1) == (0, number)
    assert raw.fetch(topic, 59).offsets == [59]


def test_3_concurrent_producers_get_unique_offsets(broker, raw, topic):
    results = []

    def produce():
        with RawClient(broker.address) as client:
            results.extend(client.produce(topic, record_batch(numbered(10))) for _ in range(40))

    threads = [threading.Thread(target=produce) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=WITHIN_S)
    assert sorted(result.base_offset for result in results) == list(range(0, 4000, 10))
    assert sum(len(batch) > 0 for batch in raw.fetch_all(topic)) == 400


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
@pytest.mark.parametrize("acks", [-1, 1])
def test_4_acknowledged_batches_survive_a_kill_unchanged(deployment, acks, tmp_path):
    """Without load; tests/crash kills processes under load."""
    batches = [record_batch(numbered(5, start=5 * n)) for n in range(20)]
    with DEPLOYMENTS[deployment](tmp_path) as broker:
        with RawClient(broker.address) as client:
            name = client.create_topic()
            for number, batch in enumerate(batches):
                assert client.produce(name, batch, acks=acks) == (0, 5 * number)
        broker.restart(*broker.names)
        with RawClient(broker.address) as client:
            assert [batch[16:] for batch in client.fetch_all(name)] == [b[16:] for b in batches]


def test_5a_a_fetch_returns_batches_up_to_its_limits(raw, topic):
    batch = record_batch(numbered(10, size=100))
    for _ in range(100):
        raw.produce(topic, batch, acks=1)
    fetched = raw.fetch(topic, 0, min_bytes=1, max_bytes=2 << 20)
    assert fetched.offsets == list(range(1000))


def test_5b_a_fetch_with_enough_bytes_does_not_wait(raw, topic):
    large = record_batch(numbered(1, size=300_000))
    for _ in range(3):
        raw.produce(topic, large)
    # The third batch does not fit; a wait for it would last ten minutes.
    fetched = raw.fetch(
        topic, 0, min_bytes=500_000, max_bytes=2 * len(large) + 10, max_wait_ms=600_000
    )
    assert fetched.offsets in ([0, 1], [0, 1, 2])


def test_5c_a_first_batch_larger_than_the_limit_is_returned_completely(raw, topic):
    raw.produce(topic, record_batch(numbered(1, size=50_000)))
    assert raw.fetch(topic, 0, max_bytes=1000, max_wait_ms=600_000).offsets == [0]


def test_5d_a_fetch_with_min_bytes_0_does_not_wait(raw, topic):
    assert raw.fetch(topic, 0, min_bytes=0, max_wait_ms=600_000).batches == []


def test_5e_empty_partitions_do_not_delay_one_with_records(raw):
    topic = raw.create_topic(partitions=4)
    raw.produce(topic, record_batch(numbered(1)), partition=3)
    partitions = [
        {"partition": n, "fetch_offset": 0, "partition_max_bytes": 1 << 20} for n in range(4)
    ]
    values = {
        "max_wait": 600_000,
        "min_bytes": 1,
        "max_bytes": 1 << 20,
        "topics": [{"topic": topic, "partitions": partitions}],
        "forgotten_topics_data": [],
    }
    raw.send_frame(request_frame(message(FETCH, 12, values), 1))
    _, response = read_response(raw.read_frame(), FETCH, 12)
    indexes = [
        partition.partition_index
        for partition in response.responses[0].partitions
        if partition.records
    ]
    assert indexes == [3]


def test_6_a_message_set_of_more_than_half_a_megabyte_is_stored(old_client, raw, topic):
    records = message_set(numbered(7000, size=100), magic=0)
    assert len(records) > 700_000
    assert old_client.produce(topic, 0, records) == (0, 0)
    assert raw.offset_at(topic, LATEST) == 7000


def test_7_pipelined_requests_are_answered_in_order(raw, topic):
    batch = record_batch(numbered(1))
    data = {"name": topic, "partition_data": [{"index": 0, "records": batch}]}
    produce = {"transactional_id": None, "acks": -1, "timeout": 30_000, "topic_data": [data]}
    partition = {"partition_index": 0, "timestamp": LATEST}
    list_offsets = {
        "replica_id": -1,
        "isolation_level": 0,
        "topics": [{"name": topic, "partitions": [partition]}],
    }
    fetch = {
        "max_wait": 20,
        "min_bytes": 1 << 30,
        "max_bytes": 1 << 30,
        "topics": [
            {
                "topic": topic,
                "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 30}],
            }
        ],
        "forgotten_topics_data": [],
    }
    examples = [(PRODUCE, 9, produce), (FETCH, 12, fetch), (LIST_OFFSETS, 7, list_offsets)]
    requests = [examples[0] if number % 10 else examples[number // 10 % 3] for number in range(300)]
    frames = [
        request_frame(message(key, version, values), number)
        for number, (key, version, values) in enumerate(requests)
    ]
    raw.send_bytes(b"".join(struct.pack(">i", len(frame)) + frame for frame in frames))
    correlation_ids = []
    for key, version, _ in requests:
        correlation_id, _ = read_response(raw.read_frame(), key, version)
        correlation_ids.append(correlation_id)
    assert correlation_ids == list(range(300))


def test_8_an_unknown_topic_or_partition_is_refused_and_not_created(old_client, raw, topic):
    records = message_set(numbered(1), magic=0)
    assert old_client.produce("never-created", 0, records).error_code == 3
    assert old_client.produce(topic, 17, records).error_code == 3
    assert old_client.fetch("never-created", 0, 0).error_code == 3
    assert "never-created" not in {listed.name for listed in raw.metadata().topics}


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(request_header_v1(999, 0, 1), id="unknown API"),
        pytest.param(request_header_v1(3, 99, 1), id="unknown version"),
        pytest.param(b"\x00", id="no header"),
        pytest.param(request_header_v1(3, 1, 1) + b"\x7f\xff\xff\xff", id="absurd array length"),
    ],
)
def test_9_an_invalid_request_ends_the_connection(frame, raw):
    raw.send_frame(frame)
    assert raw.wait_until_closed() == b""


def test_10a_a_compressed_wrapper_counts_as_its_inner_records(old_client, raw, topic):
    records = message_set(numbered(5), magic=0, codec="gzip")
    assert old_client.produce(topic, 0, records) == (0, 0)
    assert old_client.produce(topic, 0, records) == (0, 5)
    assert [message.offset for message in old_client.fetch(topic, 0, 0).messages] == list(range(10))
    assert raw.offset_at(topic, LATEST) == 10


def test_10b_timestamps_of_magic_1_are_kept(old_client, raw, topic):
    records = [Record(b"x", timestamp_ms=1_700_000_000_000 + n) for n in range(3)]
    assert old_client.produce(topic, 0, message_set(records, magic=1)) == (0, 0)
    assert raw.offset_at(topic, 1_700_000_000_002) == 2


def test_10c_a_truncated_set_is_a_corrupt_message(old_client, raw, topic):
    records = message_set(numbered(3), magic=0)
    assert old_client.produce(topic, 0, records[:-3]).error_code == 2
    wrong_crc = bytearray(pack_message(Record(b"x"), magic=0))
    wrong_crc[12:16] = struct.pack(">I", zlib.crc32(b"something else"))
    assert old_client.produce(topic, 0, bytes(wrong_crc)).error_code == 2
    assert raw.offset_at(topic, LATEST) == 0


def test_11_a_timestamp_is_looked_up(old_client, raw, topic):
    times = [1_700_000_000_000 + n * 1000 for n in range(5)]
    for time in times:
        raw.produce(topic, record_batch([Record(b"x", timestamp_ms=time)], base_timestamp_ms=time))
    assert [raw.offset_at(topic, time) for time in times] == [0, 1, 2, 3, 4]
    assert raw.offset_at(topic, EARLIEST) == 0
    error_code, offsets = old_client.list_offsets(topic, 0, LATEST, max_offsets=2**31 - 1)
    assert (error_code, offsets[0]) == (0, 5)
    assert len(offsets) <= 2


def test_12_requests_and_records_are_not_written_to_the_log(broker, raw, topic):
    before = {name: len(process.lines) for name, process in broker.processes.items()}
    for _ in range(50):
        raw.produce(topic, record_batch([Record(b"do not log me" * 100, b"nor me")]))
        raw.fetch(topic, 0)
    for name, process in broker.processes.items():
        assert len(process.lines) - before[name] < 10, process.tail
        assert not process.lines_with("do not log me|nor me")


def test_13_metadata_works_after_an_invalid_request_and_has_a_reachable_address(broker, raw, topic):
    (node,) = raw.metadata(topic).brokers
    with RawClient(f"{node.host}:{node.port}") as advertised:
        assert advertised.produce(topic, record_batch(numbered(1))) == (0, 0)
    with KafkaSocket(broker.address) as hostile:
        hostile.send_frame(request_header_v1(3, 0, 1) + struct.pack(">ih", 1, -5))
        assert hostile.wait_until_closed() == b""
    assert raw.metadata(topic).topics[0].error_code == 0
