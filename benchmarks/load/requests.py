"""Kafka requests as bytes, built once before a measurement and then only sent.

Own code on purpose: a benchmark that used the gateway's codec would share its mistakes and its
cost. Knows one version of each request (Produce 9, Fetch 12, CreateTopics 2, DeleteTopics 1,
ApiVersions 0), which Apache Kafka 4 has too, and record batches of magic 2 without compression.
Responses are in `responses`.
"""

import struct
import time
from collections.abc import Sequence

import crc32c

CLIENT_ID = b"ringlog-bench"
PRODUCE_TIMEOUT_MS = 30_000
ADMIN_TIMEOUT_MS = 30_000

_PRODUCE, _FETCH, _API_VERSIONS, _CREATE_TOPICS, _DELETE_TOPICS = 0, 1, 18, 19, 20
_NO_TAGS = b"\x00"
_NULL = b"\x00"
#: Record batch, from base offset to magic, and from the field after the CRC to the record count
#: (org.apache.kafka.common.record.DefaultRecordBatch).
_BATCH_HEAD = struct.Struct(">qiib")
_BATCH_BODY = struct.Struct(">hiqqqhii")
_BATCH_LENGTH_FROM = 12


def uvarint(number: int) -> bytes:
    """Unsigned LEB128, as compact lengths and tags are written (KIP-482)."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _varint(number: int) -> bytes:
    """Zigzag, as lengths and deltas inside a record are written."""
    return uvarint(number << 1 if number >= 0 else (-number << 1) - 1)


def _compact_string(text: str) -> bytes:
    encoded = text.encode()
    return uvarint(len(encoded) + 1) + encoded


def _string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">h", len(encoded)) + encoded


def _frame(
    api_key: int, version: int, body: bytes, *, correlation_id: int, flexible: bool
) -> bytes:
    header = struct.pack(">hhih", api_key, version, correlation_id, len(CLIENT_ID)) + CLIENT_ID
    tags = _NO_TAGS if flexible else b""
    return struct.pack(">i", len(header) + len(tags) + len(body)) + header + tags + body


def record_batch(value: bytes, count: int) -> bytes:
    """A batch of `count` records with the same value, no key, no headers, stamped now."""
    records = b"".join(_record(value, offset_delta) for offset_delta in range(count))
    now_ms = time.time_ns() // 1_000_000
    body = _BATCH_BODY.pack(0, count - 1, now_ms, now_ms, -1, -1, -1, count) + records
    length = _BATCH_HEAD.size - _BATCH_LENGTH_FROM + 4 + len(body)
    head = _BATCH_HEAD.pack(0, length, -1, 2)
    return head + struct.pack(">I", crc32c.crc32c(body)) + body


def _record(value: bytes, offset_delta: int) -> bytes:
    attributes, timestamp_delta, no_key, no_headers = b"\x00", b"\x00", b"\x01", b"\x00"
    fields = (
        attributes,
        timestamp_delta,
        _varint(offset_delta),
        no_key,
        _varint(len(value)),
        value,
        no_headers,
    )
    record = b"".join(fields)
    return _varint(len(record)) + record


def produce(topic: str, partition: int, batch: bytes, *, acks: int, correlation_id: int) -> bytes:
    """Produce v9 with one batch for one partition."""
    body = b"".join(
        (
            _NULL,  # transactional id
            struct.pack(">hi", acks, PRODUCE_TIMEOUT_MS),
            uvarint(1 + 1),
            _compact_string(topic),
            uvarint(1 + 1),
            struct.pack(">i", partition),
            uvarint(len(batch) + 1),
            batch,
            _NO_TAGS * 3,
        )
    )
    return _frame(_PRODUCE, 9, body, correlation_id=correlation_id, flexible=True)


class FetchRequest:
    """Fetch v12 of partitions 0 … n-1 of one topic, without a fetch session.

    `frame` stays the same object: `seek` overwrites an offset in place.
    """

    def __init__(
        self, topic: str, partitions: Sequence[int], *, partition_bytes_max: int, max_wait_ms: int
    ) -> None:
        response_bytes_max = partition_bytes_max * len(partitions)
        session = struct.pack(">ii", 0, -1)
        body = bytearray(
            struct.pack(">iiiib", -1, max_wait_ms, 1, response_bytes_max, 0)
            + session
            + uvarint(1 + 1)
            + _compact_string(topic)
            + uvarint(len(partitions) + 1)
        )
        offset_at = {}
        for partition in partitions:
            offset_at[partition] = len(body) + 8
            body += struct.pack(">iiqiqi", partition, -1, 0, -1, -1, partition_bytes_max)
            body += _NO_TAGS
        nothing_forgotten, no_rack = uvarint(0 + 1), uvarint(0 + 1)
        body += _NO_TAGS + nothing_forgotten + no_rack + _NO_TAGS
        self.partition_count = len(partitions)
        self.frame = bytearray(_frame(_FETCH, 12, bytes(body), correlation_id=1, flexible=True))
        body_at = len(self.frame) - len(body)
        self._offset_at = {partition: body_at + at for partition, at in offset_at.items()}

    def seek(self, partition: int, offset: int) -> None:
        struct.pack_into(">q", self.frame, self._offset_at[partition], offset)


def create_topic(name: str, partition_count: int) -> bytes:
    """CreateTopics v2 for one topic with the cluster's default configs."""
    topic = _string(name) + struct.pack(">ihii", partition_count, 1, 0, 0)
    body = struct.pack(">i", 1) + topic + struct.pack(">ib", ADMIN_TIMEOUT_MS, 0)
    return _frame(_CREATE_TOPICS, 2, body, correlation_id=1, flexible=False)


def delete_topics(names: Sequence[str]) -> bytes:
    """DeleteTopics v1."""
    body = struct.pack(">i", len(names)) + b"".join(map(_string, names))
    body += struct.pack(">i", ADMIN_TIMEOUT_MS)
    return _frame(_DELETE_TOPICS, 1, body, correlation_id=1, flexible=False)


def api_versions() -> bytes:
    """ApiVersions v0, the first thing that most clients send."""
    return _frame(_API_VERSIONS, 0, b"", correlation_id=1, flexible=False)
