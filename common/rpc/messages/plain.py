"""Conversion of dataclasses to protobuf messages with the same field names, and back.

The type hints of a class are examined once: numbers, strings, bytes and bools are copied; None is
an absent field; enums are numbers, None is 0; dataclasses and named tuples are messages; sequences
are repeated fields, and optional ones are messages with the field `items`. For contracts with many
small messages; hot paths have converters of their own.
"""

import types
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from enum import IntEnum
from functools import cache
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from google.protobuf.message import Message

T = TypeVar("T")
MessageT = TypeVar("MessageT", bound=Message)

_Convert = Callable[[Any], Any]


class _Field(NamedTuple):
    """A field: `set_into` writes its value to a message, `read_from` reads it."""

    name: str
    set_into: Callable[[Message, Any], None]
    read_from: Callable[[Message], Any]


def to_message(value: Any, message_type: type[MessageT]) -> MessageT:
    """Returns a message with the fields of `value`, a dataclass or named tuple."""
    message = message_type()
    fill_message(message, value)
    return message


def from_message(message: Message, cls: type[T]) -> T:
    """Returns the message as an instance of `cls`.

    Raises:
        ValueError: an enum has no such number.
    """
    kind: Any = cls
    made: T = kind(*[field.read_from(message) for field in _fields(kind)])
    return made


def fill_message(message: Message, value: Any) -> None:
    kind: Any = type(value)
    for field in _fields(kind):
        field.set_into(message, getattr(value, field.name))


@cache
def _fields(cls: Any) -> tuple[_Field, ...]:
    return tuple(_field(name, hint) for name, hint in get_type_hints(cls).items())


def _field(name: str, hint: Any) -> _Field:
    inner, is_optional = _without_none(hint)
    element = _element(inner)
    if element is not None and is_optional:
        return _optional_sequence(name, element)
    if element is not None:
        return _sequence(name, element)
    if _is_nested(inner):
        return _nested(name, inner)
    if issubclass(inner, IntEnum):
        return _enum(name, inner)
    return _optional_scalar(name) if is_optional else _scalar(name)


def _scalar(name: str) -> _Field:
    def set_into(message: Message, value: Any) -> None:
        setattr(message, name, value)

    return _Field(name, set_into, lambda message: getattr(message, name))


def _optional_scalar(name: str) -> _Field:
    def set_into(message: Message, value: Any) -> None:
        if value is not None:
            setattr(message, name, value)

    return _Field(
        name,
        set_into,
        lambda message: getattr(message, name) if message.HasField(name) else None,
    )


def _enum(name: str, enum: type[IntEnum]) -> _Field:
    def set_into(message: Message, value: Any) -> None:
        if value is not None:
            setattr(message, name, int(value))

    def read_from(message: Message) -> Any:
        number = getattr(message, name)
        return enum(number) if number else None

    return _Field(name, set_into, read_from)


def _nested(name: str, cls: type) -> _Field:
    def set_into(message: Message, value: Any) -> None:
        part = getattr(message, name)
        part.SetInParent()
        fill_message(part, value)

    return _Field(name, set_into, lambda message: from_message(getattr(message, name), cls))


def _sequence(name: str, element: Any) -> _Field:
    add, read = _elements(element)

    def set_into(message: Message, values: Any) -> None:
        add(getattr(message, name), values)

    return _Field(name, set_into, lambda message: read(getattr(message, name)))


def _optional_sequence(name: str, element: Any) -> _Field:
    add, read = _elements(element)

    def set_into(message: Message, values: Any) -> None:
        if values is not None:
            part = getattr(message, name)
            part.SetInParent()
            add(part.items, values)

    def read_from(message: Message) -> Any:
        return read(getattr(message, name).items) if message.HasField(name) else None

    return _Field(name, set_into, read_from)


def _elements(element: Any) -> tuple[Callable[[Any, Any], None], _Convert]:
    """Returns functions that add elements to a repeated field and read them from one."""
    inner, _ = _without_none(element)
    if _is_nested(inner):

        def add(repeated: Any, values: Any) -> None:
            for value in values:
                fill_message(repeated.add(), value)

        return add, lambda repeated: [from_message(part, inner) for part in repeated]
    if issubclass(inner, IntEnum):
        return (
            lambda repeated, values: repeated.extend([int(value or 0) for value in values]),
            lambda repeated: [inner(number) if number else None for number in repeated],
        )
    return (lambda repeated, values: repeated.extend(values)), list


def _without_none(hint: Any) -> tuple[Any, bool]:
    """Returns a hint without "or None", and True if it had that."""
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = (arg for arg in get_args(hint) if arg is not types.NoneType)
        return inner, True
    return hint, False


def _element(hint: Any) -> Any:
    """Returns the element type of a sequence; None for any other hint."""
    return get_args(hint)[0] if get_origin(hint) is Sequence else None


def _is_nested(hint: type) -> bool:
    return is_dataclass(hint) or hasattr(hint, "_fields")
