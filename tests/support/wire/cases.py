"""Helpers for tests of the wire codec: all APIs, a check of encoded bytes, random values."""

import pkgutil
import string
from collections.abc import Iterator
from dataclasses import is_dataclass
from importlib import import_module
from random import Random
from typing import Any

import pytest

from gateway_svc.wire import apis
from gateway_svc.wire.api import Api
from gateway_svc.wire.codec import decode, encode
from gateway_svc.wire.schema import (
    ArrayOf,
    Field,
    Fixed,
    MessageT,
    Records,
    Sized,
    WireType,
    layout,
)
from gateway_svc.wire.violations import ProtocolViolation

_LETTERS = string.ascii_letters + "éß漢🦀"


def every_api() -> list[Api[Any, Any]]:
    """The APIs of all modules in `gateway_svc.wire.apis`, by key."""
    modules = (
        import_module(module.name)
        for module in pkgutil.iter_modules(apis.__path__, "gateway_svc.wire.apis.")
    )
    values = (value for module in modules for value in vars(module).values())
    return sorted((value for value in values if isinstance(value, Api)), key=lambda api: api.key)


def every_message() -> Iterator[Any]:
    """Yields a pytest parameter (api, version, message type) for each request and response."""
    for api in every_api():
        for version in range(api.version_min, api.version_max + 1):
            for message_type in (api.request, api.response):
                name = f"{message_type.__name__} v{version}"
                yield pytest.param(api, version, message_type, id=name)


def check_wire_case(api: Api[Any, Any], message: Any, version: int, hex_bytes: str) -> None:
    """Checks that `message` is encoded as these bytes, decoded from them, not from a prefix."""
    flexible = api.is_flexible(version)
    expected = bytes.fromhex(hex_bytes)
    assert b"".join(encode(message, version, flexible)).hex(" ") == expected.hex(" ")
    decoded, end = decode(type(message), b"--" + expected + b"more", 2, version, flexible)
    assert decoded == message
    assert end == 2 + len(expected)
    check_cuts(type(message), expected, version, flexible=flexible)


def check_cuts(message_type: type, data: bytes, version: int, *, flexible: bool) -> None:
    """Checks that decoding any proper prefix of `data` raises ProtocolViolation."""
    for length in range(len(data)):
        with pytest.raises(ProtocolViolation):
            decode(message_type, data[:length], 0, version, flexible)


def random_messages(message_type: type[MessageT], version: int, count: int) -> list[MessageT]:
    """Returns random messages, the same ones in every run."""
    random = Random(f"{message_type.__name__} {version}")
    return [random_message(message_type, version, random) for _ in range(count)]


def random_message(message_type: type[MessageT], version: int, random: Random) -> MessageT:
    """Returns a message with random values for the fields of `version`; others have defaults."""
    shape = layout(message_type, version)
    values = {field.name: _random_value(field, version, random) for field in shape.present}
    for field in shape.tagged.values():
        value = random.random() < 0.5 and _random_value(field, version, random)
        # Default values of tagged fields are not sent; the reader fills them in.
        values[field.name] = value if value and not _is_all_defaults(value) else field.default
    return message_type(**values)


def _is_all_defaults(value: Any) -> bool:
    return is_dataclass(value) and value == type(value)()


def _random_value(field: Field, version: int, random: Random) -> Any:
    if field.is_nullable and random.random() < 0.2:
        return field.default if field.default is None else None
    if field.name.endswith("_time_ms") and field.wire_type == Fixed("q", 8):
        # kio reads it as a time: after 1970 or -1, before 9999, and without milliseconds.
        return random.choice([-1, 0, 1000 * random.randrange(2**37)])
    if isinstance(field.wire_type, ArrayOf) and field.default == () and random.random() < 0.2:
        return []
    return _random_of_type(field.wire_type, version, random)


def _random_of_type(wire_type: WireType, version: int, random: Random) -> Any:
    match wire_type:
        case Fixed("?"):
            return random.random() < 0.5
        case Fixed("16s"):
            return random.randbytes(16)
        case Fixed(_, _, enum) if enum is not None:
            return random.choice(list(enum))
        case Fixed(_, size):
            bits = random.choice([1, 7, 8 * size - 1])
            return random.choice([-1, 1]) * random.randrange(2**bits)
        case Sized(_, _, is_text):
            length = random.choice([0, 3, 20, 126, 127, 300])
            text = "".join(random.choices(_LETTERS, k=length))
            return text if is_text else text.encode()
        case Records():
            return random.randbytes(random.choice([0, 1, 126, 127, 20_000]))
        case ArrayOf(element):
            count = random.choice([1, 2, 3] if isinstance(element, type) else [0, 1, 126, 127, 150])
            return [_random_of_type(element, version, random) for _ in range(count)]
        case nested:
            return random_message(nested, version, random)
