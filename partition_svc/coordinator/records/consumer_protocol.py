"""Encoding of Kafka's ConsumerProtocol, versions 0 to 3: subscriptions and assignments.

Consumers of a classic group exchange them; the coordinator parses them to delete offsets and to
migrate groups. The bytes are a client's and may be anything. Topics are identified by name. Later
versions only add fields at the end, and are read as version 3 (KIP-429, KIP-792, KIP-881).
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from partition_svc.coordinator.records.fields import Fields, MalformedRecord, pack_text

#: The protocol type of Kafka consumers, whose subscriptions can be parsed.
CONSUMER_PROTOCOL_TYPE: Final = "consumer"

_VERSION_MAX: Final = 3
_VERSION: Final = struct.Struct(">h")
_INT: Final = struct.Struct(">i")
#: Limit of topics, and of partitions, of one member. More would delay all other groups.
_ELEMENTS_MAX: Final = 100_000
_NO_USER_DATA: Final = _INT.pack(-1)


class Subscription(NamedTuple):
    """A subscription. `owned`: partitions (topic, index) that a member reads during a rebalance."""

    version: int
    topics: tuple[str, ...]
    owned: tuple[tuple[str, int], ...] = ()
    rack_id: str | None = None


def read_subscription(metadata: bytes) -> Subscription | None:
    """Parses a subscription; None if the bytes are malformed."""
    try:
        return _subscription(Fields(metadata))
    except MalformedRecord:
        return None


def subscribed_topics(metadata: bytes, count_max: int) -> tuple[str, ...] | None:
    """Parses the topics of a subscription only, and ignores the bytes after them.

    None if they are malformed, or more than `count_max`.
    """
    fields = Fields(metadata)
    try:
        _version(fields)
        return _names(fields, count_max)
    except MalformedRecord:
        return None


def read_assignment(data: bytes) -> tuple[tuple[str, int], ...] | None:
    """Parses topics and partitions; none for no bytes, and None if the bytes are malformed."""
    if not data:
        return ()
    fields = Fields(data)
    try:
        _version(fields)
        assigned = _partitions(fields)
        fields.data()
    except MalformedRecord:
        return None
    return assigned


def write_assignment(version: int, assigned: Mapping[str, Sequence[int]]) -> bytes:
    """Encodes an assignment in the version of the member's subscription, or the last known one."""
    parts = [_VERSION.pack(min(version, _VERSION_MAX)), _INT.pack(len(assigned))]
    for topic, partitions in assigned.items():
        parts += (pack_text(topic), _INT.pack(len(partitions)))
        parts += map(_INT.pack, partitions)
    return b"".join([*parts, _NO_USER_DATA])


def _subscription(fields: Fields) -> Subscription:
    version = _version(fields)
    topics = _names(fields, _ELEMENTS_MAX)
    fields.data()
    owned = _partitions(fields) if version >= 1 else ()
    if version >= 2:
        fields.int32()
    rack_id = fields.text_or_none() if version >= 3 else None
    return Subscription(version, topics, owned, rack_id or None)


def _version(fields: Fields) -> int:
    version = fields.int16()
    if version < 0:
        raise MalformedRecord(f"version {version}")
    return version


def _names(fields: Fields, count_max: int) -> tuple[str, ...]:
    return tuple(fields.text() for _ in range(_count(fields, count_max)))


def _partitions(fields: Fields) -> tuple[tuple[str, int], ...]:
    partitions: list[tuple[str, int]] = []
    for _ in range(_count(fields, _ELEMENTS_MAX)):
        topic = fields.text()
        count = _count(fields, _ELEMENTS_MAX - len(partitions))
        partitions += [(topic, fields.int32()) for _ in range(count)]
    return tuple(partitions)


def _count(fields: Fields, count_max: int) -> int:
    count = fields.count()
    if count > count_max:
        raise MalformedRecord(f"{count} topics or partitions exceed the limit of {count_max}")
    return count
