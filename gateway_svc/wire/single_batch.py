"""The Produce request that most requests are, read at once: one batch for one partition.

It says the same as the codec does, in a third of the time, and says nothing of anything else: a
request of another shape, or one that is malformed, is left to the codec. Knows versions 9 to 13,
which are flexible.
"""

from struct import Struct
from struct import error as struct_error
from typing import Final, NamedTuple

from gateway_svc.wire.varints import read_uvarint
from gateway_svc.wire.violations import ProtocolViolation

#: Versions that it may read.
SINGLE_BATCH_SINCE: Final = 9
#: Since this version the topic is named by its id (KIP-516).
_TOPIC_ID_SINCE: Final = 13
_UUID_BYTES: Final = 16

#: Length of transactional_id (0: null), acks, timeout_ms, length of the topics.
_START: Final = Struct(">BhiB")
#: Length of the partitions, and the index of the first.
_PARTITION: Final = Struct(">Bi")
#: Compact lengths are one more than what they count.
_ONE: Final = 2
#: No tagged fields: of the partition, the topic, the request.
_ENDS: Final = b"\0\0\0"

_MALFORMED: Final = (IndexError, struct_error, UnicodeDecodeError, ProtocolViolation)
_new_tuple: Final = tuple.__new__
_unpack_start: Final = _START.unpack_from
_unpack_partition: Final = _PARTITION.unpack_from


class SingleBatch(NamedTuple):
    """As ProduceRequest has them; `topic` is the name, or the id's 16 bytes."""

    acks: int
    timeout_ms: int
    topic: str | bytes
    partition: int
    records: memoryview


def read_single_batch(frame: bytes | memoryview, offset: int, version: int) -> SingleBatch | None:
    """The body at `offset`, behind the header's tagged fields; None where the codec is to read it.

    `version` is one that Produce has. `records` is a view of the frame.
    """
    if version < SINGLE_BATCH_SINCE:
        return None
    try:
        transactional_id, acks, timeout_ms, topics = _unpack_start(frame, offset)
        if transactional_id or topics != _ONE:
            return None
        offset += 8
        if version < _TOPIC_ID_SINCE:
            size = frame[offset]
            if not 0 < size < 0x80:
                return None
            end = offset + size
            topic: str | bytes = str(frame[offset + 1 : end], "utf-8")
        else:
            end = offset + _UUID_BYTES
            topic = bytes(frame[offset:end])
        partitions, partition = _unpack_partition(frame, end)
        start = end + 6
        size = frame[end + 5]
        if size > 0x7F:
            second = frame[start]
            if second < 0x80:
                size, start = size & 0x7F | second << 7, start + 1
            else:
                size, start = read_uvarint(frame, end + 5)
    except _MALFORMED:
        return None
    end = start + size - 1
    if partitions != _ONE or size <= 1 or frame[end : end + 3] != _ENDS:
        return None
    records = memoryview(frame)[start:end]
    return _new_tuple(SingleBatch, (acks, timeout_ms, topic, partition, records))
