"""Requests and responses of every API version, encoded by kio and by kafka-python's old classes.

kio knows the versions of Apache Kafka 4; `kafka.protocol.old` knows older ones. Both are
independent of the codec under test.
"""

import io
import struct
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import timedelta
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from kafka.protocol.old.api import RequestHeader as OldHeader
from kio.index import load_request_schema, load_response_schema
from kio.serial import entity_reader, entity_writer
from kio.static.primitive import i32

from tests.support.wire.kafka_socket import KafkaSocket


def message(api_key: int, version: int, values: Mapping[str, Any]) -> Any:
    """Returns a request with plain values: dicts for structures, lists for arrays, ms for times.

    Fields that the version does not have are ignored, so that one dict serves many versions.
    """
    return _structure(load_request_schema(api_key, version), values)


def _structure(cls: Any, values: Mapping[str, Any]) -> Any:
    hints = _hints(cls)
    known = (field.name for field in fields(cls) if field.name in values)
    return cls(**{name: _value(hints[name], values[name]) for name in known})


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls)


def _value(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (argument for argument in get_args(hint) if argument is not NoneType)
    if get_origin(hint) is tuple:
        return tuple(_value(get_args(hint)[0], element) for element in value)
    if is_dataclass(hint) and isinstance(value, Mapping):
        return _structure(hint, value)
    if isinstance(hint, type) and issubclass(hint, timedelta):
        return timedelta(milliseconds=value)
    return value


def request_frame(request: Any, correlation_id: int, *, client_id: str | None = "tests") -> bytes:
    """Returns the frame of a kio request, without its length."""
    header_class = request.__header_schema__
    fields: dict[str, Any] = {
        "request_api_key": request.__api_key__,
        "request_api_version": request.__version__,
        "correlation_id": i32(correlation_id),
        "client_id": client_id,
    }
    known = header_class.__dataclass_fields__
    buffer = io.BytesIO()
    header = header_class(**{name: value for name, value in fields.items() if name in known})
    entity_writer(header_class)(buffer, header)
    entity_writer(type(request))(buffer, request)
    return buffer.getvalue()


def read_response(frame: bytes, api_key: int, version: int) -> tuple[int, Any]:
    """Returns the correlation id and the response. Fails if bytes are left over."""
    response_class: Any = load_response_schema(api_key, version)
    header, at = entity_reader(response_class.__header_schema__)(frame, 0)
    response, size = entity_reader(response_class)(frame[at:], 0)
    assert at + size == len(frame), f"{len(frame) - at - size} bytes after the response"
    return header.correlation_id, response


def ask(
    connection: KafkaSocket, api_key: int, version: int, values: Mapping[str, Any] | None = None
) -> Any:
    """Sends a request of kio and returns the response. `values` as for `message`."""
    request = message(api_key, version, values or {})
    correlation_id = connection.next_correlation_id()
    connection.send_frame(request_frame(request, correlation_id))
    response_id, response = read_response(connection.read_frame(), api_key, version)
    assert response_id == correlation_id
    return response


def ask_old(connection: KafkaSocket, request: Any) -> Any:
    """Sends a request of `kafka.protocol.old` and returns the response."""
    correlation_id = connection.next_correlation_id()
    header = OldHeader(request.API_KEY, request.API_VERSION, correlation_id, "tests")
    connection.send_frame(header.encode() + request.encode())
    frame = connection.read_frame()
    assert struct.unpack_from(">i", frame)[0] == correlation_id
    body = io.BytesIO(frame[4:])
    response = header.get_response_class().decode(body)
    assert not body.read(), "bytes after the response"
    return response
