"""Clients that make the broker buffer data: its memory stays within the configured limits.

Each test would need many times the limit if the broker did not enforce it. Growth is the difference
between the peak of resident memory during the attack and the resident memory before it.
"""

import contextlib
import gzip
import io
import random
import select
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

from tests.hostile.conftest import FRAME_MAX, MEMORY_MAX
from tests.support.clients.raw_client import API_VERSIONS, FETCH, METADATA, PRODUCE, RawClient
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.kafka08 import Kafka08Client
from tests.support.wire.kafka_socket import ANSWER_WITHIN_S, KafkaSocket
from tests.support.wire.kio_client import ask, message, read_response, request_frame
from tests.support.wire.message_sets import pack_message
from tests.support.wire.records import Record, numbered

pytestmark = pytest.mark.slow

#: Memory that does not count as buffered for clients: fluctuations of the interpreter, RocksDB's
#: memtable and caches (standalone has three services in one process), one frame above the limit.
SLACK = 96 << 20
BOUND = MEMORY_MAX + FRAME_MAX + SLACK


@contextlib.contextmanager
def bounded_memory(broker, bound=BOUND):
    """Asserts that neither gateway nor storage grows by more than `bound` while the block runs."""
    sizes = {process: process.resident_bytes() for process in (broker.gateway, broker.storage)}
    for process in sizes:
        process.forget_peak()
    yield
    for process, before in sizes.items():
        growth = process.peak_resident_bytes() - before
        assert growth < bound, f"{process.name}: {growth >> 20} MiB more"


def push(connections, data, *, rounds):
    """Sends `data` on all connections for `rounds` rounds. Returns the number of bytes sent."""
    unsent = {connection.socket: memoryview(data) for connection in connections}
    for sock in unsent:
        sock.setblocking(False)
    for _ in range(rounds):
        _, writable, _ = select.select([], [s for s, rest in unsent.items() if rest], [], 0.02)
        for sock in writable:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                unsent[sock] = unsent[sock][sock.send(unsent[sock][:262_144]) :]
    return sum(len(data) - len(rest) for rest in unsent.values())


def fill(connections, data):
    """Sends `data` on all connections until all is sent, or nothing was for half a second."""
    unsent = {connection.socket: memoryview(data) for connection in connections}
    for sock in unsent:
        sock.setblocking(False)
    while writable := select.select([], [s for s, rest in unsent.items() if rest], [], 0.5)[1]:
        for sock in writable:
            with contextlib.suppress(BlockingIOError):
                unsent[sock] = unsent[sock][sock.send(unsent[sock][:262_144]) :]


@pytest.fixture
def connections(broker):
    opened = []

    def connect(count, **options):
        opened.extend(KafkaSocket(broker.address, **options) for _ in range(count))
        return opened

    yield connect
    for connection in opened:
        connection.close()


def test_giant_declared_frames_cost_only_what_was_sent(broker, connections):
    with bounded_memory(broker, SLACK // 2):
        for connection in connections(1000):
            connection.send_bytes(struct.pack(">i", FRAME_MAX) + bytes(100))
        with RawClient(broker.address) as bystander:
            ask(bystander, API_VERSIONS, 0)


def test_many_half_sent_giant_frames_stay_within_the_limit(broker, connections):
    hostile = connections(200)
    data = struct.pack(">i", FRAME_MAX) + bytes(FRAME_MAX - 1)
    with bounded_memory(broker):
        push(hostile, data, rounds=200)


def test_slow_half_frames_do_not_block_large_requests(broker, raw, topic, connections):
    """Five half-sent frames fill the memory; none stalls, because each gets bytes at intervals."""
    slow = connections(5)
    stop = threading.Event()

    def trickle():
        while not stop.wait(0.1):
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.socket.send(b"x")

    with ThreadPoolExecutor(1) as executor:
        fill(slow, struct.pack(">i", FRAME_MAX) + bytes(FRAME_MAX - 500_000))
        executor.submit(trickle)
        try:
            for _ in range(3):
                assert raw.produce(topic, record_batch(numbered(1, size=500_000))).error_code == 0
        finally:
            stop.set()


def test_slow_readers_of_large_responses_use_bounded_memory(broker, raw, topic, connections):
    for _ in range(20):
        raw.produce(topic, record_batch(numbered(1, size=1_000_000)))
    partition = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 50 << 20}
    values = {
        "max_wait": 0,
        "min_bytes": 1,
        "max_bytes": 50 << 20,
        "topics": [{"topic": topic, "partitions": [partition]}],
        "forgotten_topics_data": [],
    }
    frame = request_frame(message(FETCH, 12, values), 1)
    requests = (struct.pack(">i", len(frame)) + frame) * 50
    # Each of eight connections requests 40 MB 50 times, and reads nothing.
    with bounded_memory(broker, BOUND + 8 * (20 << 20)):
        for connection in connections(8, receive_buffer_bytes=4096):
            connection.send_bytes(requests)
        # Read from the log: on the socket the close would be behind the data that is not read.
        eventually(
            lambda: all(was_closed(broker, connection) for connection in connections(0)),
            within_s=60,
            what="closed connections of slow readers",
        )


def was_closed(broker, connection):
    host, port = connection.socket.getsockname()
    return broker.gateway.lines_with(rf"closing {host}:{port}\b")


def is_closed(connection):
    """True if the broker closed the connection without accepting the data."""
    connection.socket.setblocking(False)
    try:
        has_ended = connection.socket.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        has_ended = False
    except ConnectionError:
        return True
    finally:
        connection.socket.settimeout(ANSWER_WITHIN_S)
    return has_ended or connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


def test_pipelining_without_reading_uses_bounded_memory(broker, topic, connections):
    values = {
        "topics": None,
        "allow_auto_topic_creation": False,
        "include_topic_authorized_operations": False,
    }
    frame = request_frame(message(METADATA, 12, values), 1)
    data = (struct.pack(">i", len(frame)) + frame) * 20_000
    with bounded_memory(broker):
        push(connections(50, receive_buffer_bytes=4096), data, rounds=100)


def test_many_large_produce_requests_at_once_are_answered_within_the_limit(broker, raw):
    """Sends 400 MB of valid requests at once, over ten times the limit; all are answered."""
    topic = raw.create_topic(partitions=4)
    batch = record_batch(numbered(1, size=1_000_000))
    connections = [RawClient(broker.address) for _ in range(100)]
    # Memtables that RocksDB has not flushed yet count as well.
    memtables = 3 * (64 << 20)
    try:
        with bounded_memory(broker, BOUND + memtables):
            frames = []
            for partition in range(4):
                data = {"name": topic, "partition_data": [{"index": partition, "records": batch}]}
                values = {
                    "transactional_id": None,
                    "acks": 1,
                    "timeout": 30_000,
                    "topic_data": [data],
                }
                frame = request_frame(message(PRODUCE, 9, values), partition)
                frames.append(struct.pack(">i", len(frame)) + frame)
            exchange_all(connections, b"".join(frames), responses=4)
    finally:
        for connection in connections:
            connection.close()


def exchange_all(connections, data, *, responses):
    """Sends `data` on each connection, and reads `responses` responses from each."""
    unsent = {connection.socket: memoryview(data) for connection in connections}
    by_socket = {connection.socket: connection for connection in connections}
    missing = dict.fromkeys(unsent, responses)
    deadline = time.monotonic() + 90
    while any(missing.values()):
        assert time.monotonic() < deadline, f"{sum(missing.values())} not answered"
        waiting = [sock for sock, count in missing.items() if count]
        sending = [sock for sock in waiting if unsent[sock]]
        readable, writable, _ = select.select(waiting, sending, [], 1)
        for sock in readable:
            _, response = read_response(by_socket[sock].read_frame(), PRODUCE, 9)
            assert response.responses[0].partition_responses[0].error_code == 0
            missing[sock] -= 1
        for sock in writable:
            with contextlib.suppress(BlockingIOError):
                unsent[sock] = unsent[sock][sock.send(unsent[sock][:65_536], socket.MSG_DONTWAIT) :]


def test_2000_idle_connections_use_little_memory(broker, connections):
    with bounded_memory(broker, 2000 * 20_000 + SLACK // 2):
        idle = connections(2000)
        with RawClient(broker.address) as bystander:
            ask(bystander, API_VERSIONS, 0)
        assert not any(map(is_closed, idle))


def test_connections_above_the_limit_are_refused_with_a_clear_line(broker, connections):
    hostile = connections(4100)
    eventually(lambda: sum(map(is_closed, hostile)) >= 100, what="refused connections")
    broker.gateway.wait_for_line(r"max\.connections\b")
    for connection in hostile[:200]:
        connection.close()
    eventually(lambda: is_served(broker), what="room for a new connection")


def is_served(broker):
    with RawClient(broker.address) as client:
        return ask(client, API_VERSIONS, 0).error_code == 0


def test_waiting_fetches_of_closed_connections_are_released(broker, raw, topic):
    partition = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1000}
    values = {
        "max_wait": 600_000,
        "min_bytes": 1,
        "topics": [{"topic": topic, "partitions": [partition]}],
        "forgotten_topics_data": [],
        "max_bytes": 1000,
    }
    frame = request_frame(message(FETCH, 12, values), 1)
    before = open_files(broker)
    with bounded_memory(broker, SLACK // 2):
        for round_number in range(500):
            client = KafkaSocket(broker.address)
            client.send_frame(frame)
            (client.reset if round_number % 2 else client.close)()
    # Each socket that the broker keeps is an open file; the bystander and RocksDB have some too.
    eventually(lambda: open_files(broker) < before + 50, what="closed connections")
    assert raw.produce(topic, record_batch(numbered(1))) == (0, 0)
    assert raw.fetch(topic, 0).offsets == [0]


def open_files(broker):
    return len(list(Path(f"/proc/{broker.gateway.pid}/fd").iterdir()))


@cache
def compression_bomb():
    """Returns a message set of about 300 KB that inflates to 300 MB: 333 in one wrapper."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as file:
        inner = pack_message(Record(bytes(900_000)), magic=0)
        for _ in range(333):
            file.write(inner)
    return pack_message(Record(packed.getvalue()), magic=0, attributes=1)


def test_a_compression_bomb_in_a_message_set_is_refused(broker, raw, topic):
    with KafkaSocket(broker.address) as connection, bounded_memory(broker):
        response = Kafka08Client(connection).produce(topic, 0, compression_bomb())
    assert response.error_code in (2, 10, 87)
    assert raw.offset_at(topic, -1) == 0


def test_a_message_over_the_limit_is_refused_without_inflating_it(broker, raw, topic):
    """A wrapper of 6.3 MB that would inflate to 200 MB, which is less than 32 times as much."""
    values = [random.Random(0).randbytes(900_000)] * 7 + [bytes(900_000)] * 215
    inner = b"".join(pack_message(Record(value), magic=0) for value in values)
    wrapper = Record(gzip.compress(inner, compresslevel=1))
    message_set = pack_message(wrapper, magic=0, attributes=1)
    with KafkaSocket(broker.address) as connection, bounded_memory(broker, 64 << 20):
        response = Kafka08Client(connection).produce(topic, 0, message_set)
    assert response.error_code == 10


@pytest.mark.parametrize("codec", ["gzip", "lz4"])
def test_a_compression_bomb_in_a_batch_is_not_inflated_for_an_old_client(codec, broker, raw):
    topic = raw.create_topic(configs={"max.message.bytes": "4000000"})
    batch = record_batch([Record(bytes(900_000))] * 333, codec=codec)
    assert raw.produce(topic, batch) == (0, 0)
    with KafkaSocket(broker.address) as connection, bounded_memory(broker):
        fetched = Kafka08Client(connection).fetch(topic, 0, 0, max_bytes=1000)
    assert fetched.error_code in (0, 2, 10)
