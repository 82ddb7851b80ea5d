"""A client of Kafka 0.8.0, written from its protocol guide: version 0 of four APIs, by hand.

It has no negotiation, no throttle times and no consumer groups, like clients of 2013.
"""

import struct
from typing import NamedTuple

from tests.support.wire.kafka_socket import KafkaSocket, request_header_v1
from tests.support.wire.message_sets import Message, unpack_message_set

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
LATEST, EARLIEST = -1, -2


class Produced(NamedTuple):
    error_code: int
    base_offset: int


class Fetched(NamedTuple):
    error_code: int
    high_watermark: int
    messages: list[Message]


class Broker(NamedTuple):
    node_id: int
    host: str
    port: int


class Partition(NamedTuple):
    error_code: int
    partition: int
    leader: int
    replicas: list[int]
    isr: list[int]


class Cluster(NamedTuple):
    brokers: list[Broker]
    topics: dict[str, tuple[int, list[Partition]]]


class _ResponseReader:
    """Parses a response from front to back."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return values

    def number(self, layout: str) -> int:
        return self.take(layout)[0]

    def text(self) -> str:
        return self.content(self.number(">h")).decode()

    def content(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

    def numbers(self) -> list[int]:
        return list(self.take(f">{self.number('>i')}i"))

    def end(self) -> None:
        assert self._at == len(self._data), "bytes after the response"


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _one_partition(topic: str, partition: int) -> bytes:
    """Returns the fields around the request of one partition of one topic."""
    return struct.pack(">i", 1) + _text(topic) + struct.pack(">ii", 1, partition)


class Kafka08Client:
    """One partition at a time, one request at a time."""

    def __init__(self, connection: KafkaSocket) -> None:
        self._connection = connection

    def produce(
        self, topic: str, partition: int, message_set: bytes, *, acks: int = 1
    ) -> Produced | None:
        body = struct.pack(">hi", acks, 5000) + _one_partition(topic, partition)
        frame = body + struct.pack(">i", len(message_set)) + message_set
        if acks == 0:
            self._send(PRODUCE, frame)
            return None
        response = self._exchange(PRODUCE, frame)
        self._skip_to_partition(response, topic, partition)
        produced = Produced(*response.take(">hq"))
        response.end()
        return produced

    def fetch(
        self,
        topic: str,
        partition: int,
        offset: int,
        *,
        max_bytes: int = 1 << 20,
        max_wait_ms: int = 0,
        min_bytes: int = 0,
    ) -> Fetched:
        body = struct.pack(">iii", -1, max_wait_ms, min_bytes) + _one_partition(topic, partition)
        response = self._exchange(FETCH, body + struct.pack(">qi", offset, max_bytes))
        self._skip_to_partition(response, topic, partition)
        error_code, high_watermark, size = response.take(">hqi")
        messages = unpack_message_set(response.content(max(size, 0)))
        response.end()
        return Fetched(error_code, high_watermark, messages)

    def list_offsets(
        self, topic: str, partition: int, time_ms: int, *, max_offsets: int = 1
    ) -> tuple[int, list[int]]:
        """Returns the error code, and offsets with the newest first."""
        body = struct.pack(">i", -1) + _one_partition(topic, partition)
        response = self._exchange(LIST_OFFSETS, body + struct.pack(">qi", time_ms, max_offsets))
        self._skip_to_partition(response, topic, partition)
        error_code = response.number(">h")
        count = response.number(">i")
        offsets = list(response.take(f">{count}q"))
        response.end()
        return error_code, offsets

    def metadata(self, *topics: str) -> Cluster:
        """Requests brokers and topics, by default all topics."""
        names = b"".join(map(_text, topics))
        response = self._exchange(METADATA, struct.pack(">i", len(topics)) + names)
        brokers = [self._broker(response) for _ in range(response.number(">i"))]
        described = {}
        for _ in range(response.number(">i")):
            error_code, name = response.number(">h"), response.text()
            count = response.number(">i")
            described[name] = (error_code, [self._partition(response) for _ in range(count)])
        response.end()
        return Cluster(brokers, described)

    @staticmethod
    def _broker(response: _ResponseReader) -> Broker:
        return Broker(response.number(">i"), response.text(), response.number(">i"))

    @staticmethod
    def _partition(response: _ResponseReader) -> Partition:
        return Partition(*response.take(">hii"), response.numbers(), response.numbers())

    def _send(self, api_key: int, body: bytes) -> int:
        correlation_id = self._connection.next_correlation_id()
        self._connection.send_frame(request_header_v1(api_key, 0, correlation_id) + body)
        return correlation_id

    def _exchange(self, api_key: int, body: bytes) -> _ResponseReader:
        correlation_id = self._send(api_key, body)
        response = _ResponseReader(self._connection.read_frame())
        assert response.number(">i") == correlation_id
        return response

    @staticmethod
    def _skip_to_partition(response: _ResponseReader, topic: str, partition: int) -> None:
        assert response.number(">i") == 1
        assert response.text() == topic
        assert response.take(">ii") == (1, partition)
