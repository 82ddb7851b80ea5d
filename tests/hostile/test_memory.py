"""Clients that want the broker to hold a lot for them: memory stays within what is announced.

Each test would need many times the limit if nothing held it back. Growth is the peak of resident
memory during the attack over what was resident before it.
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

#: What is not counted as held for clients: the interpreter's own ups and downs, RocksDB's memtable
#: and caches (three services share one process in standalone), one frame above the limit.
SLACK = 96 << 20
BOUND = MEMORY_MAX + FRAME_MAX + SLACK


@contextlib.contextmanager
def bounded_memory(broker, bound=BOUND):
    """No process on the data's way grows by more than `bound` while the block runs."""
    watched = {process: process.resident_bytes() for process in (broker.gateway, broker.storage)}
    for process in watched:
        process.forget_peak()
    yield
    for process, before in watched.items():
        growth = process.peak_resident_bytes() - before
        assert growth < bound, f"{process.name}: {growth >> 20} MiB more"


def push(connections, data, *, rounds):
    """Sends `data` on all connections as far as the broker takes it. Returns the bytes taken."""
    left = {connection.socket: memoryview(data) for connection in connections}
    for one in left:
        one.setblocking(False)
    for _ in range(rounds):
        _, writable, _ = select.select([], [s for s, rest in left.items() if rest], [], 0.02)
        for one in writable:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                left[one] = left[one][one.send(left[one][:262_144]) :]
    return sum(len(data) - len(rest) for rest in left.values())


def fill(connections, data):
    """Sends `data` on all connections until all has left, or nothing did for half a second."""
    left = {connection.socket: memoryview(data) for connection in connections}
    for one in left:
        one.setblocking(False)
    while writable := select.select([], [s for s, rest in left.items() if rest], [], 0.5)[1]:
        for one in writable:
            with contextlib.suppress(BlockingIOError):
                left[one] = left[one][one.send(left[one][:262_144]) :]


@pytest.fixture
def connections(broker):
    opened = []

    def connect(count, **options):
        opened.extend(KafkaSocket(broker.address, **options) for _ in range(count))
        return opened

    yield connect
    for one in opened:
        one.close()


def test_giant_declared_frames_cost_only_what_was_sent(broker, connections):
    with bounded_memory(broker, SLACK // 2):
        for one in connections(1000):
            one.send_bytes(struct.pack(">i", FRAME_MAX) + bytes(100))
        with RawClient(broker.address) as other:
            ask(other, API_VERSIONS, 0)


def test_many_half_sent_giant_frames_stay_within_the_limit(broker, connections):
    hostile = connections(200)
    data = struct.pack(">i", FRAME_MAX) + bytes(FRAME_MAX - 1)
    with bounded_memory(broker):
        push(hostile, data, rounds=200)


def test_half_frames_that_trickle_do_not_keep_large_requests_out(broker, raw, topic, connections):
    """Five halves fill the memory, and none stalls, for each gets a byte now and then."""
    hostages = connections(5)
    over = threading.Event()

    def trickle():
        while not over.wait(0.1):
            for one in hostages:
                with contextlib.suppress(OSError):
                    one.socket.send(b"x")

    with ThreadPoolExecutor(1) as executor:
        fill(hostages, struct.pack(">i", FRAME_MAX) + bytes(FRAME_MAX - 500_000))
        executor.submit(trickle)
        try:
            for _ in range(3):
                assert raw.produce(topic, record_batch(numbered(1, size=500_000))).error_code == 0
        finally:
            over.set()


def test_a_slow_reader_of_large_answers_costs_a_bounded_amount(broker, raw, topic, connections):
    for _ in range(20):
        raw.produce(topic, record_batch(numbered(1, size=1_000_000)))
    asked = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 50 << 20}
    values = {
        "max_wait": 0,
        "min_bytes": 1,
        "max_bytes": 50 << 20,
        "topics": [{"topic": topic, "partitions": [asked]}],
        "forgotten_topics_data": [],
    }
    frame = request_frame(message(FETCH, 12, values), 1)
    requests = (struct.pack(">i", len(frame)) + frame) * 50
    # 40 MB asked for 50 times over on each of eight connections, and nothing read.
    with bounded_memory(broker, BOUND + 8 * (20 << 20)):
        for one in connections(8, receive_buffer_bytes=4096):
            one.send_bytes(requests)
        # Told by the log: a goodbye would have to wait in line behind what is not read.
        eventually(
            lambda: all(was_closed(broker, one) for one in connections(0)),
            within_s=60,
            what="slow readers that are closed",
        )


def was_closed(broker, connection):
    host, port = connection.socket.getsockname()
    return broker.gateway.lines_with(rf"closing {host}:{port}\b")


def is_closed(connection):
    """True if the broker closed the connection without accepting the data."""
    connection.socket.setblocking(False)
    try:
        gone = connection.socket.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        gone = False
    except ConnectionError:
        return True
    finally:
        connection.socket.settimeout(ANSWER_WITHIN_S)
    return gone or connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


def test_pipelining_without_reading_is_held_back(broker, topic, connections):
    values = {
        "topics": None,
        "allow_auto_topic_creation": False,
        "include_topic_authorized_operations": False,
    }
    frame = request_frame(message(METADATA, 12, values), 1)
    data = (struct.pack(">i", len(frame)) + frame) * 20_000
    with bounded_memory(broker):
        push(connections(50, receive_buffer_bytes=4096), data, rounds=100)


def test_much_produced_at_once_is_held_back_and_all_answered(broker, raw):
    """400 MB of right requests sent at once, over ten times what may be held, are all served."""
    topic = raw.create_topic(partitions=4)
    batch = record_batch(numbered(1, size=1_000_000))
    connections = [RawClient(broker.address) for _ in range(100)]
    # What RocksDB has not yet written to files counts as well.
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
            serve_all(connections, b"".join(frames), answers=4)
    finally:
        for connection in connections:
            connection.close()


def serve_all(connections, data, *, answers):
    left = {connection.socket: memoryview(data) for connection in connections}
    by_socket = {connection.socket: connection for connection in connections}
    missing = dict.fromkeys(left, answers)
    deadline = time.monotonic() + 90
    while any(missing.values()):
        assert time.monotonic() < deadline, f"{sum(missing.values())} not answered"
        waiting = [one for one, count in missing.items() if count]
        sending = [one for one in waiting if left[one]]
        readable, writable, _ = select.select(waiting, sending, [], 1)
        for one in readable:
            _, response = read_response(by_socket[one].read_frame(), PRODUCE, 9)
            assert response.responses[0].partition_responses[0].error_code == 0
            missing[one] -= 1
        for one in writable:
            with contextlib.suppress(BlockingIOError):
                left[one] = left[one][one.send(left[one][:65_536], socket.MSG_DONTWAIT) :]


def test_2000_idle_connections_cost_little(broker, connections):
    with bounded_memory(broker, 2000 * 20_000 + SLACK // 2):
        idle = connections(2000)
        with RawClient(broker.address) as other:
            ask(other, API_VERSIONS, 0)
        assert not any(map(is_closed, idle))


def test_connections_above_the_limit_are_refused_with_a_clear_line(broker, connections):
    hostile = connections(4100)
    eventually(lambda: sum(map(is_closed, hostile)) >= 100, what="connections that are refused")
    broker.gateway.wait_for_line(r"max\.connections\b")
    for one in hostile[:200]:
        one.close()
    eventually(lambda: can_ask(broker), what="room after some left")


def can_ask(broker):
    with RawClient(broker.address) as one:
        return ask(one, API_VERSIONS, 0).error_code == 0


def test_fetch_clients_that_leave_are_forgotten(broker, raw, topic):
    asked = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1000}
    values = {
        "max_wait": 600_000,
        "min_bytes": 1,
        "topics": [{"topic": topic, "partitions": [asked]}],
        "forgotten_topics_data": [],
        "max_bytes": 1000,
    }
    frame = request_frame(message(FETCH, 12, values), 1)
    before = open_files(broker)
    with bounded_memory(broker, SLACK // 2):
        for round_number in range(500):
            leaving = KafkaSocket(broker.address)
            leaving.send_frame(frame)
            (leaving.reset if round_number % 2 else leaving.close)()
    # Sockets that the broker would wait with are files; the bystander and RocksDB have some too.
    eventually(lambda: open_files(broker) < before + 50, what="connections let go")
    assert raw.produce(topic, record_batch(numbered(1))) == (0, 0)
    assert raw.fetch(topic, 0).offsets == [0]


def open_files(broker):
    return len(list(Path(f"/proc/{broker.gateway.pid}/fd").iterdir()))


@cache
def bomb():
    """A message set of about 300 KB that inflates to 300 MB: 333 messages in one wrapper."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as file:
        one = pack_message(Record(bytes(900_000)), magic=0)
        for _ in range(333):
            file.write(one)
    return pack_message(Record(packed.getvalue()), magic=0, attributes=1)


def test_a_compression_bomb_in_a_message_set_is_refused(broker, raw, topic):
    with KafkaSocket(broker.address) as connection, bounded_memory(broker):
        answer = Kafka08Client(connection).produce(topic, 0, bomb())
    assert answer.error_code in (2, 10, 87)
    assert raw.offset_at(topic, -1) == 0


def test_a_message_over_the_limit_is_refused_without_inflating_it(broker, raw, topic):
    """A wrapper of 6.3 MB that would inflate to 200 MB, which is less than 32 times as much."""
    values = [random.Random(0).randbytes(900_000)] * 7 + [bytes(900_000)] * 215
    inner = b"".join(pack_message(Record(value), magic=0) for value in values)
    wrapper = Record(gzip.compress(inner, compresslevel=1))
    sent = pack_message(wrapper, magic=0, attributes=1)
    with KafkaSocket(broker.address) as connection, bounded_memory(broker, 64 << 20):
        answer = Kafka08Client(connection).produce(topic, 0, sent)
    assert answer.error_code == 10


@pytest.mark.parametrize("codec", ["gzip", "lz4"])
def test_a_compression_bomb_in_a_batch_does_not_go_off_when_an_old_client_reads(codec, broker, raw):
    topic = raw.create_topic(configs={"max.message.bytes": "4000000"})
    batch = record_batch([Record(bytes(900_000))] * 333, codec=codec)
    assert raw.produce(topic, batch) == (0, 0)
    with KafkaSocket(broker.address) as connection, bounded_memory(broker):
        fetched = Kafka08Client(connection).fetch(topic, 0, 0, max_bytes=1000)
    assert fetched.error_code in (0, 2, 10)
