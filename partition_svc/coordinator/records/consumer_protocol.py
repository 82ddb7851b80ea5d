"""What consumers of a classic group tell each other: Kafka's ConsumerProtocol, versions 0 to 3.

Any member may write anything here, up to the size of a request.
Topics go by name. Later versions only add fields at the end, and are read as version 3 (KIP-429,
KIP-792, KIP-881).
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from partition_svc.coordinator.records.fields import Fields, MalformedRecord, packed

#: The protocol type of Kafka consumers, whose subscriptions can be parsed.
CONSUMER_PROTOCOL_TYPE: Final = "consumer"

_VERSION_MAX: Final = 3
_VERSION: Final = struct.Struct(">h")
_INT: Final = struct.Struct(">i")
#: Topics, and partitions, of one member. More is not read: that would hold up every other group.
_ELEMENTS_MAX: Final = 100_000
_NO_USER_DATA: Final = _INT.pack(-1)


class Subscription(NamedTuple):
    """`owned`: what the member goes on reading while the group rebalances (topic, partition)."""

    version: int
    topics: tuple[str, ...]
    owned: tuple[tuple[str, int], ...] = ()
    rack_id: str | None = None


def read_subscription(metadata: bytes) -> Subscription | None:
    """None for bytes that are none of ours to read."""
    try:
        return _subscription(Fields(metadata))
    except MalformedRecord:
        return None


def subscribed_topics(metadata: bytes, count_max: int) -> tuple[str, ...] | None:
    """As `read_subscription`, but the topics only, whatever comes behind them.

    None also where there are more than `count_max`.
    """
    fields = Fields(metadata)
    try:
        _version(fields)
        return _names(fields, count_max)
    except MalformedRecord:
        return None


def read_assignment(data: bytes) -> tuple[tuple[str, int], ...] | None:
    """Topics and partitions. Nothing for no bytes; None for bytes that are none of ours to read."""
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
    """In the version of the member's subscription, as far as that is known here."""
    parts = [_VERSION.pack(min(version, _VERSION_MAX)), _INT.pack(len(assigned))]
    for topic, partitions in assigned.items():
        parts += (packed(topic), _INT.pack(len(partitions)))
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
    found: list[tuple[str, int]] = []
    for _ in range(_count(fields, _ELEMENTS_MAX)):
        topic = fields.text()
        count = _count(fields, _ELEMENTS_MAX - len(found))
        found += [(topic, fields.int32()) for _ in range(count)]
    return tuple(found)


def _count(fields: Fields, count_max: int) -> int:
    count = fields.count()
    if count > count_max:
        raise MalformedRecord(f"{count} topics or partitions, and {count_max} are read at most")
    return count
