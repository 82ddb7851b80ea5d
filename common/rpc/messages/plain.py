"""Dataclasses to protobuf messages and back, where both have the same fields by the same names.

What each field is, is found out once for a class from its type hints: numbers, text, bytes and
truth values as they are; None as an absent field; enums by number, None as 0; dataclasses and named
tuples as messages; sequences as repeated fields, and one that may be None as a message with
`items`. For contracts with many small messages; hot paths have converters of their own.
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
    """`set_into` puts a value into a message's field, `read_from` finds it there."""

    name: str
    set_into: Callable[[Message, Any], None]
    read_from: Callable[[Message], Any]


def to_message(value: Any, message_type: type[MessageT]) -> MessageT:
    """`value` (a dataclass or named tuple) as a message that has its fields."""
    message = message_type()
    fill_message(message, value)
    return message


def from_message(message: Message, cls: type[T]) -> T:
    """The message as an instance of `cls`.

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
    """How elements are added to a repeated field, and how they are read from one."""
    inner, _ = _without_none(element)
    if _is_nested(inner):

        def add(repeated: Any, values: Any) -> None:
            for value in values:
                fill_message(repeated.add(), value)

        return add, lambda repeated: [from_message(one, inner) for one in repeated]
    if issubclass(inner, IntEnum):
        return (
            lambda repeated, values: repeated.extend([int(one or 0) for one in values]),
            lambda repeated: [inner(one) if one else None for one in repeated],
        )
    return (lambda repeated, values: repeated.extend(values)), list


def _without_none(hint: Any) -> tuple[Any, bool]:
    """A hint without "or None", and whether it had that."""
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = (one for one in get_args(hint) if one is not types.NoneType)
        return inner, True
    return hint, False


def _element(hint: Any) -> Any:
    """What a sequence is of; None for what is no sequence."""
    return get_args(hint)[0] if get_origin(hint) is Sequence else None


def _is_nested(hint: type) -> bool:
    return is_dataclass(hint) or hasattr(hint, "_fields")
