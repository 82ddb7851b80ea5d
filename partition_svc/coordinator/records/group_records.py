"""Encoding of `__consumer_offsets` in Kafka's formats, which Kafka's tools can read.

Keys and values begin with a version (int16, big-endian). Written: OffsetCommitKey 1 with
OffsetCommitValue 4 (1 with an expiry time), GroupMetadataKey 2 with GroupMetadataValue 3. Values of
versions 0 to 4 are read. The id of an offset's topic is a tagged field of version 4.
With a value of version 1, and with the values of version 3 that earlier releases wrote, it is a
record header that other readers ignore. Consumer groups: see `consumer_records.py`.
"""

import struct
from functools import lru_cache
from typing import Final, NamedTuple

from common.ports.group_errors import GroupClient
from common.records.records import Header
from partition_svc.coordinator.records.consumer_records import decode_consumer, encode_consumer
from partition_svc.coordinator.records.fields import (
    Fields,
    MalformedRecord,
    flexible,
    pack_bytes,
    pack_compact_text,
    pack_text,
)
from partition_svc.coordinator.records.result import Record
from partition_svc.coordinator.records.stored import (
    GroupRecord,
    OffsetRecord,
    StoredGroup,
    StoredMember,
    StoredOffset,
)

_TOPIC_ID: Final = b"topic.id"
_TOPIC_ID_TAG: Final = 0

_GROUP_KEY_VERSION: Final = 2
_VALUE_VERSION_MAX: Final = 4
_FLEXIBLE_SINCE: Final = 4

_VERSION: Final = struct.Struct(">h")
_INT: Final = struct.Struct(">i")
_LONG: Final = struct.Struct(">q")
_OFFSET_4: Final = struct.Struct(">hqi")
_OFFSET_1: Final = struct.Struct(">hq")
_TWO_LONGS: Final = struct.Struct(">qq")
_TWO_INTS: Final = struct.Struct(">ii")

#: OffsetCommitValue 4 with an empty metadata (one byte) and a topic id (a tagged field).
_COMMON_OFFSET: Final = struct.Struct(">hqibq3s16s")
_COMMON_START: Final = _VERSION.pack(4)
_NO_METADATA: Final = 1
#: One tagged field, its number, its size.
_TOPIC_ID_FOLLOWS: Final = bytes((1, _TOPIC_ID_TAG, 16))
_NO_TAGS: Final = b"\0"


_OFFSET_KEY_START: Final = _VERSION.pack(1)
_OFFSET_KEYS: Final = (_OFFSET_KEY_START, _VERSION.pack(0))
_GROUP_KEY_START: Final = _VERSION.pack(_GROUP_KEY_VERSION)
_GROUP_VALUE_START: Final = _VERSION.pack(3)


class RecordEntry(NamedTuple):
    """An encoded record. `value` None: a tombstone."""

    key: bytes
    value: bytes | None
    headers: tuple[Header, ...] = ()


def encode(record: Record) -> RecordEntry:
    """Encodes a record. Raises `MalformedRecord` if a text is longer than 32767 bytes."""
    if isinstance(record, OffsetRecord):
        key = b"".join(
            (
                _OFFSET_KEY_START,
                pack_text(record.group_id),
                pack_text(record.topic),
                _INT.pack(record.partition),
            )
        )
        if record.value is None:
            return RecordEntry(key, None)
        return _offset_entry(key, record.value)
    if not isinstance(record, GroupRecord):
        return RecordEntry(*encode_consumer(record))
    key = _GROUP_KEY_START + pack_text(record.group_id)
    return RecordEntry(key, None if record.value is None else _group_value(record.value))


def decode(key: bytes, value: bytes | None, headers: tuple[Header, ...] = ()) -> Record | None:
    """Decodes a record; None if the version of its key is unknown.

    Raises:
        Malformed: the bytes are not what their version says.
    """
    version = key[:2]
    if version in _OFFSET_KEYS:
        group_id, topic = _names(key[2:-4])
        partition = int.from_bytes(key[-4:], "big", signed=True)
        stored = None if value is None else _read_offset(value, headers)
        return OffsetRecord(group_id, topic, partition, stored)
    if len(version) < _VERSION.size:
        return None
    fields = Fields(key)
    kind = fields.int16()
    if version == _GROUP_KEY_START:
        return GroupRecord(fields.text(), None if value is None else _read_group(value))
    return decode_consumer(kind, fields, value)


@lru_cache(maxsize=1024)
def _names(data: bytes) -> tuple[str, str]:
    """Decodes group and topic of an OffsetCommitKey, which all partitions of a topic share."""
    fields = Fields(data)
    names = fields.text(), fields.text()
    fields.end()
    return names


def _offset_entry(key: bytes, value: StoredOffset) -> RecordEntry:
    topic_id = value.topic_id
    if value.expires_at_ms >= 0:
        head = _OFFSET_1.pack(1, value.offset) + pack_text(value.metadata)
        times = _TWO_LONGS.pack(value.committed_at_ms, value.expires_at_ms)
        return RecordEntry(key, head + times, ((_TOPIC_ID, topic_id),) if topic_id else ())
    parts = (
        _OFFSET_4.pack(4, value.offset, value.leader_epoch),
        pack_compact_text(value.metadata),
        _LONG.pack(value.committed_at_ms),
        _TOPIC_ID_FOLLOWS + topic_id if topic_id else _NO_TAGS,
    )
    return RecordEntry(key, b"".join(parts))


def _read_offset(data: bytes, headers: tuple[Header, ...]) -> StoredOffset:
    if len(data) == _COMMON_OFFSET.size and data[:2] == _COMMON_START:
        # Nearly all offsets are like this, and a shard may load 100,000 of them.
        _, offset, leader_epoch, size, committed_at_ms, tag, topic_id = _COMMON_OFFSET.unpack(data)
        if size == _NO_METADATA and tag == _TOPIC_ID_FOLLOWS:
            return StoredOffset(offset, leader_epoch, "", committed_at_ms, -1, topic_id)
    fields, version = _value(data)
    offset = fields.int64()
    leader_epoch = fields.int32() if version >= 3 else -1
    metadata = fields.text()
    committed_at_ms = fields.int64()
    expires_at_ms = fields.int64() if version == 1 else -1
    tags = fields.tags() if version >= _FLEXIBLE_SINCE else {}
    topic_id = tags.get(_TOPIC_ID_TAG) or _topic_id(headers)
    return StoredOffset(offset, leader_epoch, metadata, committed_at_ms, expires_at_ms, topic_id)


def _topic_id(headers: tuple[Header, ...]) -> bytes:
    for name, value in headers:
        if name == _TOPIC_ID and value is not None:
            return value
    return b""


def _group_value(value: StoredGroup) -> bytes:
    parts = [
        _GROUP_VALUE_START,
        pack_text(value.protocol_type),
        _INT.pack(value.generation_id),
        pack_text(value.protocol),
        pack_text(value.leader),
        _LONG.pack(value.state_since_ms),
        _INT.pack(len(value.members)),
    ]
    for member in value.members:
        parts += (
            pack_text(member.member_id),
            pack_text(member.group_instance_id),
            pack_text(member.client.client_id),
            pack_text(member.client.client_host),
            _TWO_INTS.pack(member.rebalance_timeout_ms, member.session_timeout_ms),
            pack_bytes(member.subscription),
            pack_bytes(member.assignment),
        )
    return b"".join(parts)


def _read_group(data: bytes) -> StoredGroup:
    fields, version = _value(data)
    protocol_type = fields.text()
    generation_id = fields.int32()
    protocol, leader = fields.text_or_none(), fields.text_or_none()
    state_since_ms = fields.int64() if version >= 2 else -1
    members = tuple(_read_member(fields, version) for _ in range(fields.count()))
    if version >= _FLEXIBLE_SINCE:
        fields.tags()
    return StoredGroup(protocol_type, generation_id, protocol, leader, state_since_ms, members)


def _read_member(fields: Fields, version: int) -> StoredMember:
    member_id = fields.text()
    instance_id = fields.text_or_none() if version >= 3 else None
    client = GroupClient(fields.text(), fields.text())
    # Version 0 has one timeout for both.
    rebalance_timeout_ms = fields.int32() if version >= 1 else None
    session_timeout_ms = fields.int32()
    subscription, assignment = fields.data(), fields.data()
    if version >= _FLEXIBLE_SINCE:
        fields.tags()
    return StoredMember(
        member_id,
        instance_id,
        client,
        session_timeout_ms if rebalance_timeout_ms is None else rebalance_timeout_ms,
        session_timeout_ms,
        subscription,
        assignment,
    )


def _value(data: bytes) -> tuple[Fields, int]:
    """Returns the fields of a value after its version, and the version."""
    version = Fields(data).int16()
    if not 0 <= version <= _VALUE_VERSION_MAX:
        raise MalformedRecord(f"a value of version {version}")
    fields = flexible(data) if version >= _FLEXIBLE_SINCE else Fields(data)
    fields.int16()
    return fields, version
