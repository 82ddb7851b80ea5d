"""Declaration of messages: fields, their wire types and versions.

One typed class per message holds every version of it. A field that some version does not have must
have a default, and that is what a reader of that version finds. Knows nothing of bytes: `codec`
turns `layout` into functions.
"""

from dataclasses import MISSING, dataclass, field, fields
from enum import IntEnum
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar, dataclass_transform

from gateway_svc.wire.error_code import ErrorCode

MessageT = TypeVar("MessageT")


class Fixed(NamedTuple):
    """A value of `size` bytes, `code` in the `struct` module's alphabet, always big-endian."""

    code: str
    size: int
    enum: type[IntEnum] | None = None


class Sized(NamedTuple):
    """Bytes behind their length, which is a varint where flexible and a fixed number elsewhere."""

    classic_code: str
    classic_size: int
    is_text: bool


class Records(NamedTuple):
    """Sized bytes that are never copied: a memoryview on the way in, chunks on the way out."""

    classic_code: str
    classic_size: int


class ArrayOf(NamedTuple):
    """A count, then elements: messages, fixed values or strings."""

    element: "WireType"


INT8 = Fixed("b", 1)
INT16 = Fixed("h", 2)
INT32 = Fixed("i", 4)
INT64 = Fixed("q", 8)
BOOL = Fixed("?", 1)  # any byte but 0 is true, as in Kafka's readers
UUID = Fixed("16s", 16)
ERROR_CODE = Fixed("h", 2, ErrorCode)
STRING = Sized("h", 2, is_text=True)
BYTES = Sized("i", 4, is_text=False)
RECORDS = Records("i", 4)

WireType = Fixed | Sized | Records | ArrayOf | type

#: The UUID that stands for "none" (`Uuid.ZERO_UUID`).
ZERO_UUID = bytes(16)

#: What handlers put into a RECORDS field. None of it is copied on its way to the socket.
RecordChunks = bytes | memoryview | list[bytes] | list[bytes | memoryview] | None


class FieldPlacement(NamedTuple):
    """Versions of a field on the wire, inclusive; `nullable_since` None means never null.

    A nullable message has a byte before it that says whether it is there (KIP-893).
    """

    wire_type: WireType
    since: int
    until: int | None
    nullable_since: int | None
    tag: int | None

    def exists_in(self, version: int) -> bool:
        return self.since <= version and (self.until is None or version <= self.until)


def wire(  # noqa: PLR0913 - each is a column of Kafka's own schema
    wire_type: WireType,
    *,
    since: int = 0,
    until: int | None = None,
    default: Any = MISSING,
    nullable_since: int | None = None,
    tag: int | None = None,
) -> Any:
    """Declares a field. With `tag` it is a tagged field (KIP-482), sent only if not the default.

    Raises:
        TypeError: some version does not have the field, and no default says what it is then.
    """
    placement = FieldPlacement(wire_type, since, until, nullable_since, tag)
    if default is MISSING and (since > 0 or until is not None or tag is not None):
        raise TypeError(f"{placement} needs a default")
    return field(default=default, metadata={"wire": placement})


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(wire,))
def message(cls: type[MessageT]) -> type[MessageT]:
    """Makes a class with `wire` fields a message: keyword-only, slotted, compared by value.

    Frozen for the type checker only: at run time that would double the cost of making one.
    `__eq__` and `__repr__`, which tests and logs use, are shared: `dataclass` would compile them,
    and make a docstring, for each of more than a hundred classes at every start.
    """
    cls.__doc__ = cls.__doc__ or cls.__name__
    made = dataclass(slots=True, kw_only=True, eq=False, repr=False)(cls)
    for name, method in _SHARED_METHODS.items():
        setattr(made, name, method)
    return made


def _is_equal(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return all(getattr(self, one.name) == getattr(other, one.name) for one in fields(self))


def _representation(self: Any) -> str:
    values = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in fields(self))
    return f"{type(self).__name__}({values})"


#: As `dataclass` defines them; a class that is compared by value and not frozen has no hash.
_SHARED_METHODS: Final = {"__eq__": _is_equal, "__repr__": _representation, "__hash__": None}


class Field(NamedTuple):
    """One field of one version."""

    name: str
    wire_type: WireType
    is_nullable: bool
    default: Any


class Layout(NamedTuple):
    """One message in one version: `present` in wire order, `tagged` by tag, `absent` the rest."""

    present: tuple[Field, ...]
    tagged: dict[int, Field]
    absent: tuple[Field, ...]


@cache
def layout(message_type: type, version: int) -> Layout:
    """Raises `TypeError` for a class whose fields were not declared with `wire`."""
    present: list[Field] = []
    tagged: dict[int, Field] = {}
    absent: list[Field] = []
    for declared in fields(message_type):
        placement: FieldPlacement = declared.metadata["wire"]
        nullable = placement.nullable_since is not None and placement.nullable_since <= version
        one = Field(declared.name, placement.wire_type, nullable, declared.default)
        if not placement.exists_in(version):
            absent.append(one)
        elif placement.tag is not None:
            tagged[placement.tag] = one
        else:
            present.append(one)
    return Layout(tuple(present), dict(sorted(tagged.items())), tuple(absent))


def size_min(wire_type: WireType, version: int, *, flexible: bool) -> int:
    """The fewest bytes one value takes: what makes an absurd array count refusable."""
    match wire_type:
        case Fixed():
            return wire_type.size
        case Sized() | Records():
            return 1 if flexible else wire_type.classic_size
        case ArrayOf():
            return 1 if flexible else 4
        case _:
            present = layout(wire_type, version).present
            tags = 1 if flexible else 0
            return tags + sum(
                _field_size_min(field, version, flexible=flexible) for field in present
            )


def _field_size_min(one: Field, version: int, *, flexible: bool) -> int:
    if one.is_nullable and isinstance(one.wire_type, type):
        return 1
    return size_min(one.wire_type, version, flexible=flexible)
