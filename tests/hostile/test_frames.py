"""Bytes that are not Kafka's protocol: they end their own connection only, with one log line."""

import contextlib
import random
import struct

import pytest

from tests.hostile.conftest import FRAME_MAX
from tests.support.clients.raw_client import API_VERSIONS, FETCH, METADATA, PRODUCE, RawClient
from tests.support.waiting import eventually
from tests.support.wire.kafka_socket import KafkaSocket, request_header_v1
from tests.support.wire.kio_client import ask, message, read_response, request_frame

SEED = 20_26
HTTP = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(200)


def log_lines_about(broker, connection):
    host, port = connection.socket.getsockname()
    return broker.gateway.lines_with(rf"{host}:{port}\b")


def assert_closed_with_one_line(broker, connection):
    assert connection.wait_until_closed() == b""
    eventually(lambda: log_lines_about(broker, connection), what="a log line about the connection")
    assert len(log_lines_about(broker, connection)) == 1


def assert_answered_or_closed(connection):
    with contextlib.suppress(ConnectionError):
        assert connection.read_frame()[:4] == struct.pack(">i", 7)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(struct.pack(">i", -1), id="length -1"),
        pytest.param(struct.pack(">i", -(2**31)), id="smallest length"),
        pytest.param(struct.pack(">i", 2**31 - 1), id="largest length"),
        pytest.param(struct.pack(">i", FRAME_MAX + 1), id="one above the limit"),
        pytest.param(HTTP, id="HTTP"),
        pytest.param(TLS_HELLO, id="TLS"),
        pytest.param(b"\n" * 100, id="newlines"),
    ],
)
def test_an_invalid_frame_length_ends_the_connection(data, broker):
    with KafkaSocket(broker.address) as hostile:
        hostile.send_bytes(data)
        assert_closed_with_one_line(broker, hostile)


def unsigned_varint(count):
    packed = bytearray()
    while count > 0x7F:
        packed.append(count & 0x7F | 0x80)
        count >>= 7
    return bytes([*packed, count])


METADATA_HEADER_V9 = request_header_v1(METADATA, 9, 1) + b"\0"


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"", id="empty frame"),
        *[pytest.param(bytes(n), id=f"{n} zero bytes") for n in (1, 4, 7, 9)],
        pytest.param(request_header_v1(999, 0, 1), id="unknown API"),
        pytest.param(request_header_v1(-1, 0, 1), id="negative API"),
        pytest.param(request_header_v1(METADATA, 14, 1), id="version too new"),
        pytest.param(request_header_v1(METADATA, -1, 1), id="negative version"),
        pytest.param(request_header_v1(4, 0, 1), id="API between brokers"),
        pytest.param(struct.pack(">hhih", METADATA, 1, 1, -2), id="client id of length -2"),
        pytest.param(struct.pack(">hhih", METADATA, 1, 1, 32767), id="client id cut off"),
        pytest.param(request_header_v1(METADATA, 1, 1) + struct.pack(">i", 2**31 - 1), id="array"),
        pytest.param(METADATA_HEADER_V9 + unsigned_varint(2**32 - 1), id="compact array"),
        pytest.param(METADATA_HEADER_V9 + b"\xff" * 20, id="endless varint"),
        pytest.param(
            METADATA_HEADER_V9 + unsigned_varint(2) + unsigned_varint(2**31), id="compact string"
        ),
        pytest.param(
            METADATA_HEADER_V9 + unsigned_varint(1) + b"\1\1\1" + unsigned_varint(2**30),
            id="tagged fields",
        ),
        pytest.param(request_header_v1(METADATA, 1, 1, "\u00fc") + b"\xff", id="invalid UTF-8"),
        pytest.param(request_header_v1(METADATA, 1, 1) + struct.pack(">ih", 1, 5), id="cut short"),
        pytest.param(
            request_header_v1(METADATA, 0, 1) + struct.pack(">ih", 1, -5), id="name of length -5"
        ),
        pytest.param(
            request_header_v1(PRODUCE, 0, 1) + struct.pack(">hiihii", 1, 1, 1, 0, 1, 0) + b"\x7f",
            id="records cut short",
        ),
    ],
)
def test_an_invalid_frame_ends_the_connection(frame, broker):
    with KafkaSocket(broker.address) as hostile:
        hostile.send_frame(frame)
        assert_closed_with_one_line(broker, hostile)


def test_random_bytes_on_many_connections_do_no_harm(broker):
    rng = random.Random(SEED)
    for _ in range(150):
        # The broker may close the connection while the test still sends.
        with contextlib.suppress(ConnectionError), KafkaSocket(broker.address) as hostile:
            hostile.send_bytes(rng.randbytes(rng.randrange(1, 5000)))
            hostile.send_bytes(rng.randbytes(rng.randrange(1, 100)))


def test_random_bodies_after_valid_headers_are_answered_or_end_the_connection(broker, raw):
    rng = random.Random(SEED)
    for api in ask(raw, API_VERSIONS, 0).api_keys:
        for version in range(api.min_version, api.max_version + 1):
            with KafkaSocket(broker.address) as hostile:
                header = request_header_v1(api.api_key, version, 7)
                hostile.send_frame(header + rng.randbytes(rng.randrange(0, 60)))
                assert_answered_or_closed(hostile)


def test_valid_requests_with_a_flipped_bit_are_answered_or_end_the_connection(broker, topic):
    rng = random.Random(SEED)
    partition = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1000}
    values = {
        "replica_id": -1,
        "max_wait": 0,
        "min_bytes": 0,
        "topics": [{"topic": topic, "partitions": [partition]}],
        "forgotten_topics_data": [],
    }
    frame = request_frame(message(FETCH, 12, values), 7)
    for _ in range(200):
        corrupted = bytearray(frame)
        corrupted[rng.randrange(8, len(corrupted))] ^= 1 << rng.randrange(8)
        with KafkaSocket(broker.address) as hostile:
            hostile.send_frame(bytes(corrupted))
            assert_answered_or_closed(hostile)


@pytest.mark.parametrize("version", [5, 99, 32767])
def test_api_versions_of_an_unknown_version_is_answered_in_version_0(version, raw):
    raw.send_frame(request_header_v1(API_VERSIONS, version, 5) + b"\0anything")
    correlation_id, response = read_response(raw.read_frame(), API_VERSIONS, 0)
    assert (correlation_id, response.error_code) == (5, 35)
    assert (API_VERSIONS, 0, 4) in [
        (api.api_key, api.min_version, api.max_version) for api in response.api_keys
    ]
    assert ask(raw, API_VERSIONS, 3, SOFTWARE).error_code == 0


SOFTWARE = {"client_software_name": "tests", "client_software_version": "1"}


@pytest.mark.parametrize("name", ["", "-tests", "a b", "tests.", "x\n"])
def test_api_versions_with_an_invalid_software_name_is_refused(name, raw):
    values = {"client_software_name": name, "client_software_version": "1"}
    assert ask(raw, API_VERSIONS, 3, values).error_code == 42
    assert ask(raw, API_VERSIONS, 3, SOFTWARE).error_code == 0


def test_a_request_that_arrives_byte_by_byte_is_answered(raw):
    frame = request_frame(message(API_VERSIONS, 3, SOFTWARE), 9)
    for byte in struct.pack(">i", len(frame)) + frame:
        raw.send_bytes(bytes([byte]))
    assert read_response(raw.read_frame(), API_VERSIONS, 3)[0] == 9


def test_clients_that_disconnect_within_a_frame_do_no_harm(broker):
    frame = request_frame(message(API_VERSIONS, 3, SOFTWARE), 9)
    for disconnect in (KafkaSocket.close, KafkaSocket.reset):
        for cut in range(0, len(frame) + 4, 3):
            hostile = RawClient(broker.address)
            hostile.send_bytes((struct.pack(">i", len(frame)) + frame)[:cut])
            disconnect(hostile)


def test_a_connection_that_stalls_within_a_frame_is_closed(broker):
    with KafkaSocket(broker.address) as hostile:
        hostile.send_bytes(struct.pack(">i", 1000) + b"half")
        assert_closed_with_one_line(broker, hostile)


def test_an_invalid_length_after_a_valid_request_ends_the_connection(broker, topic):
    with RawClient(broker.address) as hostile:
        frame = request_frame(message(API_VERSIONS, 3, SOFTWARE), 1)
        hostile.send_bytes(struct.pack(">i", len(frame)) + frame + struct.pack(">i", -5))
        received = hostile.wait_until_closed()
        assert received == b"" or received[4:8] == struct.pack(">i", 1)
