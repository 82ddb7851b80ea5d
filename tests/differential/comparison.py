"""Responses as plain values that contain only what both brokers should agree on; their differences.

Rules, by the names of fields:

    ids         that a broker generates (of topics, members, producers) are numbered in the order
                in which they appear, so that equal responses refer to the same topics and members
    addresses   hosts, ports and the cluster's id
    times       of the broker's own clock
    texts       of error messages are for people: only their presence is compared
    epochs      of consumer groups: Kafka counts a first member and its topics as two changes
    order       Kafka keeps most lists in hash maps: elements are sorted by their names
    batches     by their headers, with a digest of the records; the leader epoch is the broker's,
                and Kafka may end a response with a part of a batch, which clients drop
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, NamedTuple
from uuid import UUID

from tests.support.wire.batches import (
    ATTRIBUTES_AT,
    HEADER_BYTES,
    TIMESTAMP_TYPE_BIT,
    split_batches,
)

_IDS: Final = frozenset({"topic_id", "member_id", "leader", "producer_id", "directory_id"})
_ADDRESSES: Final = frozenset({"host", "port", "cluster_id"})
_TIMES: Final = frozenset({"log_append_time"})
_TEXTS: Final = frozenset({"error_message", "batch_index_error_message", "documentation"})
_EPOCHS: Final = frozenset({"member_epoch", "group_epoch", "assignment_epoch"})
#: Fields that name an element of a list; the first one that it has counts.
_NAME_FIELDS: Final = (
    "name",
    "topic",
    "topic_id",
    "partition_index",
    "partition",
    "index",
    "group_id",
    "key",
    "member_id",
    "node_id",
    "api_key",
    "resource_name",
)

#: Id of a topic that does not exist.
NO_SUCH_ID: Final = UUID(int=7)

_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")

#: attributes, last delta, base and max timestamp, producer id, epoch, base sequence, count
_BATCH_BODY: Final = struct.Struct(">hiqqqhii")


class Difference(NamedTuple):
    """Path of a field in a response, as `topics[0].error_code`, and its value on each side."""

    path: str
    kafka: Any
    ringlog: Any


@dataclass
class ResponseReader:
    """Reader of one side's responses, with the ids that the side has generated so far.

    `first_epoch`: of a consumer group.
    """

    first_epoch: int = 1
    ids: dict[Any, str] = field(default_factory=lambda: {NO_SUCH_ID.hex: "no such id"})

    def name_id(self, value: Any, name: str) -> None:
        """Shows the id `value` as `name` from now on."""
        self.ids[_scalar(value)] = name

    def to_plain(self, value: Any, name: str = "") -> Any:
        """Returns mappings, lists and scalars for a response or, below it, its field `name`."""
        if is_dataclass(value):
            return {
                item.name: self.to_plain(getattr(value, item.name), item.name)
                for item in fields(value)
            }
        if isinstance(value, tuple):
            return sorted((self.to_plain(element, name) for element in value), key=_sort_key)
        if isinstance(value, bytes) and name == "records":
            return [self._describe_batch(batch) for batch in split_batches(_complete(value))]
        return self._mask(_scalar(value), name)

    def _describe_batch(self, batch: bytes) -> dict[str, Any]:
        attributes, last_delta, base_ms, max_ms, producer_id, epoch, sequence, count = (
            _BATCH_BODY.unpack_from(batch, ATTRIBUTES_AT)
        )
        is_append_time = bool(attributes & TIMESTAMP_TYPE_BIT)
        return {
            "base_offset": int.from_bytes(batch[:8], "big"),
            "magic": batch[16],
            "attributes": attributes,
            "last_offset_delta": last_delta,
            "base_timestamp": base_ms,
            "max_timestamp": "some time" if is_append_time else max_ms,
            "producer": self._mask(producer_id, "producer_id"),
            "producer_epoch": epoch,
            "base_sequence": sequence,
            "count": count,
            "records": sha256(batch[HEADER_BYTES:]).hexdigest()[:12],
        }

    def _mask(self, value: Any, name: str) -> Any:
        if name in _EPOCHS and value > 0:
            return value - self.first_epoch + 1
        if name in _IDS and value not in (None, "", -1):
            return self.ids.setdefault(value, f"{name} #{len(self.ids)}")
        if name in _ADDRESSES and value:
            return f"some {name}"
        if name in _TIMES and value is not None:
            return "some time"
        if name in _TEXTS and value is not None:
            return "some text" if value else ""
        return value


def _complete(data: bytes) -> bytes:
    """Returns the complete batches in `data`, without the part of a batch at its end."""
    end = 0
    while end + HEADER_BYTES <= len(data):
        size = 12 + int.from_bytes(data[end + 8 : end + 12], "big")
        if end + size > len(data):
            break
        end += size
    return data[:end]


def _scalar(value: Any) -> Any:
    match value:
        case timedelta():
            return value // _MILLISECOND
        case datetime():
            return (value - _EPOCH) // _MILLISECOND
        case UUID():
            return value.hex
        case _:
            return value


def _sort_key(value: Any) -> str:
    """Returns the name of an element, or an empty string if it has none."""
    if not isinstance(value, Mapping):
        return ""
    names = [str(value[name]) or "''" for name in _NAME_FIELDS if value.get(name) is not None]
    return names[0].rjust(20) if names else ""


def differences(kafka: Any, ringlog: Any, path: str = "") -> Iterator[Difference]:
    """Paths at which two plain values differ."""
    if isinstance(kafka, Mapping) and isinstance(ringlog, Mapping):
        for name in kafka:
            yield from differences(kafka[name], ringlog[name], f"{path}.{name}" if path else name)
    elif isinstance(kafka, list) and isinstance(ringlog, list):
        yield from _in_lists(kafka, ringlog, path)
    elif kafka != ringlog:
        yield Difference(path, kafka, ringlog)


def _in_lists(kafka: list[Any], ringlog: list[Any], path: str) -> Iterator[Difference]:
    """Compares elements by name if all have names, otherwise by index."""
    theirs, ours = _by_name(kafka), _by_name(ringlog)
    if theirs is not None and ours is not None:
        for name in {**theirs, **ours}:
            yield from differences(theirs.get(name), ours.get(name), f"{path}[{name}]")
        return
    if len(kafka) != len(ringlog):
        yield Difference(path, kafka, ringlog)
        return
    for index, (their, our) in enumerate(zip(kafka, ringlog, strict=True)):
        yield from differences(their, our, f"{path}[{index}]")


def _by_name(values: list[Any]) -> dict[str, Any] | None:
    """Returns elements by name; None if an element has no name, or two have the same."""
    named = {_sort_key(value).strip(): value for value in values}
    return named if len(named) == len(values) and "" not in named else None
