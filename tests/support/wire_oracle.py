"""kio as the judge of our codec: both sides' messages as plain values that can be compared.

kio has the versions that Apache Kafka 4 has, each as a class of its own.
"""

import io
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from kio.index import UnknownEntity, load_request_schema, load_response_schema
from kio.serial import entity_reader, entity_writer

from gateway_svc.wire.api import Api
from gateway_svc.wire.schema import ZERO_UUID, layout

_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def kio_class(api: Api[Any, Any], version: int, message_type: type) -> type | None:
    """The class for a request or response of `api`, None where kio does not have the version."""
    load = load_request_schema if message_type is api.request else load_response_schema
    try:
        return load(api.key, version)
    except UnknownEntity:
        return None


def kio_decode(kio_type: Any, data: bytes) -> Any:
    """Fails where bytes are left over."""
    message, size = entity_reader(kio_type)(data, 0)
    assert size == len(data), f"kio read {size} bytes of {len(data)}"
    return message


def kio_encode(message: Any) -> bytes:
    buffer = io.BytesIO()
    entity_writer(type(message))(buffer, message)
    return buffer.getvalue()


def plain_of_ours(value: Any, version: int) -> Any:
    """Nested dicts and lists of the fields that `version` has, tagged ones only if they are said."""
    if isinstance(value, list | tuple):
        return [plain_of_ours(one, version) for one in value]
    if not is_dataclass(value):
        return bytes(value) if isinstance(value, memoryview) else value
    shape = layout(type(value), version)
    held = {one.name: plain_of_ours(getattr(value, one.name), version) for one in shape.present}
    for one in shape.tagged.values():
        held[one.name] = plain_of_ours(getattr(value, one.name), version)
    return {name: one for name, one in held.items() if one is not None}


def plain_of_kio(value: Any, ours: Any) -> Any:
    """The same of a kio message. `ours` is our message: it names what kio renames."""
    if isinstance(value, tuple):
        return [plain_of_kio(one, our) for one, our in zip(value, ours, strict=True)]
    if not is_dataclass(value):
        return _scalar(value, ours)
    held = {}
    for one in fields(value):
        name = one.name if hasattr(ours, one.name) else f"{one.name}_ms"
        our, kios = getattr(ours, name), getattr(value, one.name)
        # Where we say nothing of a nested tagged field, kio must have found its defaults.
        is_default = our is None and "tag" in one.metadata and kios == one.default
        held[name] = None if is_default else plain_of_kio(kios, our)
    return {name: one for name, one in held.items() if one is not None}


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
