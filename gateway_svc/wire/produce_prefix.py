"""The Produce request that most requests are, read without the codec: one batch for one partition.

All such requests of a client to one partition begin with the same bytes, save for the correlation
id. So what these say, the *opening*, is read once and from then on only looked up; behind it is the
batch. A request of another shape, or one that is malformed, is left to the codec. Knows versions 9
to 13, which are flexible.

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

#: Versions that it may read.
SINGLE_BATCH_VERSIONS: Final = range(9, 14)
#: Since this version the topic is named by its id (KIP-516).
_TOPIC_ID_SINCE: Final = 13
_UUID_BYTES: Final = 16

#: The opening begins behind the correlation id.
OPENING_START: Final = 8
#: The lower byte of the client id's length: longer client ids are left to the codec.
_CLIENT_ID_SIZE: Final = 9
#: Where the topic is, behind the client id.
_TOPIC: Final = 19
#: No tagged fields of the header, transactional_id (0: null), acks, timeout_ms, topics.
_START: Final = Struct(">BBhiB")
#: Partitions, and the index of the first.
_PARTITION: Final = Struct(">Bi")
#: Compact lengths are one more than what they count.
_ONE: Final = 2
#: Fewer bytes are copied faster than viewed.
_COPIED_MAX: Final = 1024
#: No tagged fields: of the partition, the topic, the request.
_ENDS: Final = b"\0\0\0"

_MALFORMED: Final = (IndexError, struct_error, UnicodeDecodeError, ProtocolViolation)


class Opening(NamedTuple):
    """As ProduceRequest has them; `topic` is the name, or the id's 16 bytes."""

    acks: int
    timeout_ms: int
    topic: str | bytes
    partition: int


def opening_end(frame: bytes, version: int) -> int:
    """Where the opening ends, if the frame has one.

    Raises `IndexError` where it has none for sure. A frame that has the same bytes there as one
    that `read_opening` has read says the same with them.
    """
    topic_start = frame[_CLIENT_ID_SIZE] + _TOPIC
    if version >= _TOPIC_ID_SINCE:
        return topic_start + _UUID_BYTES + _PARTITION.size
    # The length of a name counts itself.
    return topic_start + frame[topic_start] + _PARTITION.size


def read_opening(frame: bytes, version: int) -> Opening | None:
    """What the frame says from `OPENING_START` to `opening_end`; None: that is for the codec."""
    try:
        topic_start = read_header(frame).body_offset + _START.size
        if topic_start != frame[_CLIENT_ID_SIZE] + _TOPIC:
            return None
        tags, transactional_id, acks, timeout_ms, topics = _START.unpack_from(
            frame, topic_start - _START.size
        )
        partition_start = opening_end(frame, version) - _PARTITION.size
        topic: str | bytes = frame[topic_start:partition_start]
        if version < _TOPIC_ID_SINCE:
            if not 0 < frame[topic_start] < 0x80:
                return None
            topic = str(frame[topic_start + 1 : partition_start], "utf-8")
        partitions, partition = _PARTITION.unpack_from(frame, partition_start)
    except _MALFORMED:
        return None
    if tags or transactional_id or topics != _ONE or partitions != _ONE:
        return None
    return Opening(acks, timeout_ms, topic, partition)


def read_batch(frame: bytes, position: int) -> bytes | memoryview | None:
    """The batch whose size is at `position`, where the opening ends; None as above.

    A large one is a view of the frame.
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
    if size <= 1 or frame[end : end + 3] != _ENDS:
        return None
    return frame[start:end] if size < _COPIED_MAX else memoryview(frame)[start:end]
