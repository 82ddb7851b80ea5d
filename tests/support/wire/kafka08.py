"""A client of Kafka 0.8.0, written from its protocol guide: four APIs, version 0, by hand.

No negotiation, no throttle times, no consumer groups: what a client of 2013 sent.
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


class _Answer:
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
        assert self._at == len(self._data), "bytes after the answer"


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _one_partition(topic: str, partition: int) -> bytes:
    """The frame around every per-partition request: one topic, one partition."""
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
        answer = self._ask(PRODUCE, frame)
        self._skip_to_partition(answer, topic, partition)
        produced = Produced(*answer.take(">hq"))
        answer.end()
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
        answer = self._ask(FETCH, body + struct.pack(">qi", offset, max_bytes))
        self._skip_to_partition(answer, topic, partition)
        error_code, high_watermark, size = answer.take(">hqi")
        messages = unpack_message_set(answer.content(max(size, 0)))
        answer.end()
        return Fetched(error_code, high_watermark, messages)

    def list_offsets(
        self, topic: str, partition: int, time_ms: int, *, max_offsets: int = 1
    ) -> tuple[int, list[int]]:
        """The error code, and offsets with the newest first."""
        body = struct.pack(">i", -1) + _one_partition(topic, partition)
        answer = self._ask(LIST_OFFSETS, body + struct.pack(">qi", time_ms, max_offsets))
        self._skip_to_partition(answer, topic, partition)
        error_code = answer.number(">h")
        count = answer.number(">i")
        offsets = list(answer.take(f">{count}q"))
        answer.end()
        return error_code, offsets

    def metadata(self, *topics: str) -> Cluster:
        """Brokers and topics; all topics where none is named."""
        names = b"".join(map(_text, topics))
        answer = self._ask(METADATA, struct.pack(">i", len(topics)) + names)
        brokers = [self._broker(answer) for _ in range(answer.number(">i"))]
        found = {}
        for _ in range(answer.number(">i")):
            error_code, name = answer.number(">h"), answer.text()
            count = answer.number(">i")
            found[name] = (error_code, [self._partition(answer) for _ in range(count)])
        answer.end()
        return Cluster(brokers, found)

    @staticmethod
    def _broker(answer: _Answer) -> Broker:
        return Broker(answer.number(">i"), answer.text(), answer.number(">i"))

    @staticmethod
    def _partition(answer: _Answer) -> Partition:
        return Partition(*answer.take(">hii"), answer.numbers(), answer.numbers())

    def _send(self, api_key: int, body: bytes) -> int:
        correlation_id = self._connection.next_correlation_id()
        self._connection.send_frame(request_header_v1(api_key, 0, correlation_id) + body)
        return correlation_id

    def _ask(self, api_key: int, body: bytes) -> _Answer:
        correlation_id = self._send(api_key, body)
        answer = _Answer(self._connection.read_frame())
        assert answer.number(">i") == correlation_id
        return answer

    @staticmethod
    def _skip_to_partition(answer: _Answer, topic: str, partition: int) -> None:
        assert answer.number(">i") == 1
        assert answer.text() == topic
        assert answer.take(">ii") == (1, partition)
