"""Reference codecs of other projects: messages as plain values that can be compared.

kio has a class for each version that Apache Kafka 4 has. kafka-python's old classes have the older
versions, which Kafka 4 removed.
"""

import io
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

from kio.index import UnknownEntity, load_request_schema, load_response_schema
from kio.serial import entity_reader, entity_writer

from gateway_svc.wire.api import Api
from gateway_svc.wire.schema import ZERO_UUID, layout

_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def kio_class(api: Api[Any, Any], version: int, message_type: type) -> type | None:
    """Returns the class of a request or response of `api`; None if kio lacks the version."""
    load = load_request_schema if message_type is api.request else load_response_schema
    try:
        return load(api.key, version)
    except UnknownEntity:
        return None


def kio_decode(kio_type: Any, data: bytes) -> Any:
    """Decodes a message. Fails if bytes are left over."""
    message, size = entity_reader(kio_type)(data, 0)
    assert size == len(data), f"kio read {size} bytes of {len(data)}"
    return message


def kio_encode(message: Any) -> bytes:
    buffer = io.BytesIO()
    entity_writer(type(message))(buffer, message)
    return buffer.getvalue()


def plain_of_ours(value: Any, version: int) -> Any:
    """Returns nested dicts and lists of the fields of `version`, without those that are None."""
    if isinstance(value, list | tuple):
        return [plain_of_ours(element, version) for element in value]
    if not is_dataclass(value):
        return bytes(value) if isinstance(value, memoryview) else value
    shape = layout(type(value), version)
    plain = {}
    for field in (*shape.present, *shape.tagged.values()):
        plain[field.name] = plain_of_ours(getattr(value, field.name), version)
    return {name: item for name, item in plain.items() if item is not None}


def plain_of_kio(value: Any, ours: Any) -> Any:
    """Returns the same for a kio message. `ours` is our message, which kio renames fields of."""
    if isinstance(value, tuple):
        return [plain_of_kio(element, our) for element, our in zip(value, ours, strict=True)]
    if not is_dataclass(value):
        return _scalar(value, ours)
    plain = {}
    for field in fields(value):
        name = field.name if hasattr(ours, field.name) else f"{field.name}_ms"
        our, kios = getattr(ours, name), getattr(value, field.name)
        # Our None in a nested tagged field stands for kio's default.
        is_default = our is None and "tag" in field.metadata and kios == field.default
        plain[name] = None if is_default else plain_of_kio(kios, our)
    return {name: item for name, item in plain.items() if item is not None}


def _scalar(value: Any, ours: Any) -> Any:
    match value:
        case timedelta():
            return value // _MILLISECOND
        case datetime():
            return (value - _EPOCH) // _MILLISECOND
        case UUID():
            return value.bytes
        case None if ours == ZERO_UUID:
            return ZERO_UUID
        case None if ours == -1:
            return -1
        case _:
            return value


_OLD_MODULES = {
    0: "produce",
    1: "fetch",
    2: "list_offsets",
    8: "commit",
    9: "commit",
    19: "admin",
    20: "admin",
    23: "offset_for_leader_epoch",
    32: "admin",
}


def old_class(api: Api[Any, Any], version: int, message_type: type) -> Any:
    """Returns kafka-python's class, which reads and writes tuples of values in wire order."""
    module = import_module(f"kafka.protocol.old.{_OLD_MODULES[api.key]}")
    return getattr(module, f"{message_type.__name__}_v{version}")


def old_values(message: Any) -> Any:
    """Returns the values of a message of kafka-python as tuples."""
    return _as_tuples([getattr(message, name) for name in message.SCHEMA.names])


def our_values(value: Any, version: int) -> Any:
    """Returns the values of our message as tuples."""
    if is_dataclass(value):
        present = layout(type(value), version).present
        return tuple(our_values(getattr(value, field.name), version) for field in present)
    if isinstance(value, list):
        return tuple(our_values(element, version) for element in value)
    return bytes(value) if isinstance(value, memoryview) else value


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list | tuple) else value
