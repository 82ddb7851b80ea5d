"""Parser of Produce requests with one batch for one partition, without the generic codec.

Such requests of a client to one partition begin with the same bytes, except for the correlation id.
This *prefix* is parsed once and then looked up; the batch follows it. Requests of another shape and
malformed ones are left to the codec. Supports versions 9 to 13, which are flexible.

    key i16 · version i16 · correlation id i32 |
    client id · no tags · no transactional id · acks i16 · timeout i32 · 1 topic: name or id ·
    1 partition: index i32 | batch · no tags, three times
"""

from struct import Struct
from struct import error as struct_error
from typing import Final, NamedTuple

from gateway_svc.wire.envelope import read_header
from gateway_svc.wire.varints import read_uvarint
from gateway_svc.wire.violations import ProtocolViolation

#: Supported versions.
SINGLE_BATCH_VERSIONS: Final = range(9, 14)
#: Since this version the topic is named by its id (KIP-516).
_TOPIC_ID_SINCE: Final = 13
_UUID_BYTES: Final = 16

#: The prefix begins after the correlation id.
PREFIX_START: Final = 8
#: Position of the lower byte of the client id's length; longer client ids are left to the codec.
_CLIENT_ID_SIZE_POSITION: Final = 9
#: Position of the topic if the client id is empty.
_TOPIC_POSITION: Final = 19
#: No tagged fields of the header, transactional_id (0: null), acks, timeout_ms, topics.
_START: Final = Struct(">BBhiB")
#: Partitions, and the index of the first.
_PARTITION: Final = Struct(">Bi")
#: A compact array of one element: compact lengths are one more than the count (KIP-482).
_COMPACT_ONE: Final = 2
#: Smaller batches are copied, which is faster than a memoryview.
_COPIED_MAX: Final = 1024
#: No tagged fields: of the partition, the topic, the request.
_NO_TAGS: Final = b"\0\0\0"

_MALFORMED: Final = (IndexError, struct_error, UnicodeDecodeError, ProtocolViolation)


class ProducePrefix(NamedTuple):
    """Fields of ProduceRequest; `topic` is the name, or the id's 16 bytes."""

    acks: int
    timeout_ms: int
    topic: str | bytes
    partition: int


def prefix_end(frame: bytes, version: int) -> int:
    """Returns the end of the prefix, if the frame has one.

    Raises `IndexError` if it certainly has none. A frame with the same bytes there as one that
    `read_prefix` has parsed has the same prefix.
    """
    topic_start = frame[_CLIENT_ID_SIZE_POSITION] + _TOPIC_POSITION
    if version >= _TOPIC_ID_SINCE:
        return topic_start + _UUID_BYTES + _PARTITION.size
    # The length of a name counts itself.
    return topic_start + frame[topic_start] + _PARTITION.size


def read_prefix(frame: bytes, version: int) -> ProducePrefix | None:
    """Parses the frame from `PREFIX_START` to `prefix_end`; None leaves it to the codec."""
    try:
        topic_start = read_header(frame).body_offset + _START.size
        if topic_start != frame[_CLIENT_ID_SIZE_POSITION] + _TOPIC_POSITION:
            return None
        tags, transactional_id, acks, timeout_ms, topics = _START.unpack_from(
            frame, topic_start - _START.size
        )
        partition_start = prefix_end(frame, version) - _PARTITION.size
        topic: str | bytes = frame[topic_start:partition_start]
        if version < _TOPIC_ID_SINCE:
            if not 0 < frame[topic_start] < 0x80:
                return None
            topic = str(frame[topic_start + 1 : partition_start], "utf-8")
        partitions, partition = _PARTITION.unpack_from(frame, partition_start)
    except _MALFORMED:
        return None
    if tags or transactional_id or topics != _COMPACT_ONE or partitions != _COMPACT_ONE:
        return None
    return ProducePrefix(acks, timeout_ms, topic, partition)


def read_batch(frame: bytes, position: int) -> bytes | memoryview | None:
    """Returns the batch whose size is at `position`, the end of the prefix; None as above.

    A large batch is a view of the frame.
    """
    try:
        size = frame[position]
        start = position + 1
        if size > 0x7F:
            second = frame[start]
            if second < 0x80:
                size, start = size & 0x7F | second << 7, start + 1
            else:
                size, start = read_uvarint(frame, position)
    except _MALFORMED:
        return None
    end = start + size - 1
    if size <= 1 or frame[end : end + 3] != _NO_TAGS:
        return None
    return frame[start:end] if size < _COPIED_MAX else memoryview(frame)[start:end]
