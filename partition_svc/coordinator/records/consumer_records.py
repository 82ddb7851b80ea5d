"""Encoding of consumer group records in `__consumer_offsets`, in Kafka's formats.

Keys begin with the kind of record, as those of `group_records.py`; values are of version 0 and
flexible (KIP-482). The hash of the subscribed topics is not Kafka's: a coordinator of Kafka that
loads these records sees a change of topics and computes new targets.
"""

import struct
from collections.abc import Callable
from typing import Any, Final

from common.ports.classic_groups import GroupProtocol
from common.ports.group_errors import GroupClient
from partition_svc.coordinator.records.fields import Fields, MalformedRecord, flexible, pack_text
from partition_svc.coordinator.records.fields import pack_varint as _varint
from partition_svc.coordinator.records.stored_consumer import (
    Assignment,
    ConsumerRecord,
    CurrentRecord,
    EpochRecord,
    MemberState,
    StoredClassic,
    StoredCurrent,
    StoredEpoch,
    StoredSubscription,
    SubscriptionRecord,
    TargetEpochRecord,
    TargetRecord,
    partitions_by_topic,
)

_VERSION: Final = struct.Struct(">h")
_INT: Final = struct.Struct(">i")
_LONG: Final = struct.Struct(">q")
_CURRENT: Final = struct.Struct(">iib")
_ZERO: Final = _VERSION.pack(0)
_NO_TAGS: Final = b"\0"
_HASH_TAG: Final = 0
_CLASSIC_TAG: Final = 0
_UUID_BYTES: Final = 16
_STATES: Final = frozenset(MemberState)

_KINDS: Final[dict[type[Any], int]] = {
    EpochRecord: 3,
    SubscriptionRecord: 5,
    TargetEpochRecord: 6,
    TargetRecord: 7,
    CurrentRecord: 8,
}


def encode_consumer(record: ConsumerRecord) -> tuple[bytes, bytes | None]:
    """Returns key and value. Raises `MalformedRecord` as `group_records.encode`."""
    key = _VERSION.pack(_KINDS[type(record)]) + pack_text(record.group_id)
    if not isinstance(record, EpochRecord | TargetEpochRecord):
        key += pack_text(record.member_id)
    return key, None if record.value is None else _ZERO + _value(record)


def decode_consumer(kind: int, key: Fields, value: bytes | None) -> ConsumerRecord | None:
    """Returns the record, or None if its kind is not known here. `key`: the bytes after the kind.

    Raises:
        Malformed: the bytes are not what their version says.
    """
    read = _READERS.get(kind)
    if read is None:
        return None
    group_id = key.text()
    member = () if kind in (3, 6) else (key.text(),)
    fields = None if value is None else flexible(value)
    if fields is not None and fields.int16() != 0:
        raise MalformedRecord("a value of an unknown version")
    record: ConsumerRecord = read[0](group_id, *member, None if fields is None else read[1](fields))
    return record


def _value(record: ConsumerRecord) -> bytes:
    match record:
        case EpochRecord(_, StoredEpoch(epoch, metadata_hash)):
            tag = bytes((1, _HASH_TAG, _LONG.size)) + _LONG.pack(metadata_hash)
            return _INT.pack(epoch) + (tag if metadata_hash else _NO_TAGS)
        case SubscriptionRecord(_, _, StoredSubscription() as subscription):
            return _subscription(subscription)
        case TargetEpochRecord(_, int(epoch)):
            return _INT.pack(epoch) + _NO_TAGS
        case TargetRecord(_, _, frozenset() as target):
            return _partitions(target) + _NO_TAGS
        case CurrentRecord(_, _, StoredCurrent() as current):
            head = _CURRENT.pack(current.epoch, current.previous_epoch, current.state)
            return head + _partitions(current.assigned) + _partitions(current.revoking) + _NO_TAGS
    raise AssertionError(record)


def _subscription(stored: StoredSubscription) -> bytes:
    client = stored.client
    texts = (stored.instance_id, stored.rack_id, client.client_id, client.client_host)
    parts = [_text(text) for text in texts]
    parts.append(_varint(len(stored.topic_names) + 1))
    parts += [_text(name) for name in stored.topic_names]
    parts += (_text(stored.topic_regex), _INT.pack(stored.rebalance_timeout_ms))
    parts += (_text(stored.server_assignor), _classic(stored.classic))
    return b"".join(parts)


def _classic(stored: StoredClassic | None) -> bytes:
    """Encodes a nullable tagged structure: a byte of 1 before it marks it as not null."""
    if stored is None:
        return _NO_TAGS
    parts = [b"\1", _INT.pack(stored.session_timeout_ms), _varint(len(stored.protocols) + 1)]
    for protocol in stored.protocols:
        parts += (_text(protocol.name), _varint(len(protocol.metadata) + 1), protocol.metadata)
        parts.append(_NO_TAGS)
    parts.append(_NO_TAGS)
    data = b"".join(parts)
    return bytes((1, _CLASSIC_TAG)) + _varint(len(data)) + data


def _partitions(assignment: Assignment) -> bytes:
    topics = partitions_by_topic(assignment)
    parts = [_varint(len(topics) + 1)]
    for topic_id, partitions in topics.items():
        parts += (topic_id, _varint(len(partitions) + 1))
        parts += map(_INT.pack, partitions)
        parts.append(_NO_TAGS)
    return b"".join(parts)


def _text(text: str | None) -> bytes:
    if text is None:
        return _varint(0)
    data = text.encode()
    return _varint(len(data) + 1) + data


def _read_epoch(fields: Fields) -> StoredEpoch:
    epoch = fields.int32()
    data = fields.tags().get(_HASH_TAG, b"")
    return StoredEpoch(epoch, _LONG.unpack(data)[0] if len(data) == _LONG.size else 0)


def _read_subscription(fields: Fields) -> StoredSubscription:
    instance_id, rack_id = fields.text_or_none(), fields.text_or_none()
    client = GroupClient(fields.text(), fields.text())
    names = tuple(fields.text() for _ in range(fields.count()))
    expression, timeout_ms, assignor = fields.text_or_none(), fields.int32(), fields.text_or_none()
    classic = _read_classic(fields.tags().get(_CLASSIC_TAG, b"\0"))
    return StoredSubscription(
        instance_id, rack_id, client, names, expression, timeout_ms, assignor, classic
    )


def _read_classic(data: bytes) -> StoredClassic | None:
    fields = flexible(data)
    if fields.raw(1) == b"\0":
        return None
    session_timeout_ms, protocols = fields.int32(), list[GroupProtocol]()
    for _ in range(fields.count()):
        protocols.append(GroupProtocol(fields.text(), fields.data()))
        fields.tags()
    return StoredClassic(session_timeout_ms, tuple(protocols))


def _read_target_epoch(fields: Fields) -> int:
    epoch = fields.int32()
    fields.tags()
    return epoch


def _read_target(fields: Fields) -> Assignment:
    target = _read_partitions(fields)
    fields.tags()
    return target


def _read_partitions(fields: Fields) -> Assignment:
    found: list[tuple[bytes, int]] = []
    for _ in range(fields.count()):
        topic_id = fields.raw(_UUID_BYTES)
        found += [(topic_id, fields.int32()) for _ in range(fields.count())]
        fields.tags()
    return frozenset(found)


def _read_current(fields: Fields) -> StoredCurrent:
    epoch, previous_epoch, state = fields.int32(), fields.int32(), fields.raw(1)[0]
    if state not in _STATES:
        raise MalformedRecord(f"a member in state {state}")
    assigned, revoking = _read_partitions(fields), _read_partitions(fields)
    fields.tags()
    return StoredCurrent(epoch, previous_epoch, MemberState(state), assigned, revoking)


_READERS: Final[dict[int, tuple[Any, Callable[[Fields], Any]]]] = {
    3: (EpochRecord, _read_epoch),
    5: (SubscriptionRecord, _read_subscription),
    6: (TargetEpochRecord, _read_target_epoch),
    7: (TargetRecord, _read_target),
    8: (CurrentRecord, _read_current),
}
