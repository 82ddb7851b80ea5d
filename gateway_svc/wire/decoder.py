"""Generates the function that decodes a message in one version: straight-line code.

The function takes (data, pos, end) and returns (message, position after it). It raises
`ProtocolViolation`, or one of `MALFORMED` from Python itself. For a count it allocates only
what the bytes after it can fill, and never more than `ELEMENTS_MAX` elements.
"""

from collections.abc import Callable
from struct import error as struct_error
from typing import Any

from gateway_svc.wire.reading import ReadSource
from gateway_svc.wire.schema import ArrayOf, Field, Fixed, Layout, Records, Sized, layout, size_min
from gateway_svc.wire.source import repeated
from gateway_svc.wire.varints import skip_tagged_fields

#: Array elements and tagged fields in one message, all together. Three bytes can announce an
#: element that takes 200 in memory, so a limit on the frame's bytes alone would not do.
ELEMENTS_MAX = 1 << 17

#: Exceptions that Python raises for bytes that are cut or wrong. ValueError: a text is not UTF-8,
#: or an enum does not have the number.
MALFORMED = (IndexError, ValueError, struct_error)


def decoder_of(message_type: type, version: int, *, flexible: bool) -> Callable[..., Any]:
    """Returns the compiled decoder of `message_type` in `version`."""
    source = decoder_source(message_type, version, flexible=flexible)
    return source.compile_function(f"decode {message_type.__name__} v{version}")


def decoder_source(message_type: type, version: int, *, flexible: bool) -> ReadSource:
    source = ReadSource(flexible=flexible)
    source.constant("new", object.__new__)
    source.line(f"left = {ELEMENTS_MAX}")
    decoded = _Decoder(source, version, flexible=flexible).message(
        message_type, message_type.__name__
    )
    source.line(f"return {decoded}, pos")
    return source


class _Decoder:
    """Generates the lines for one version of a message and of all messages inside it.

    `path` names a field in errors.
    """

    def __init__(self, source: ReadSource, version: int, *, flexible: bool) -> None:
        self._source = source
        self._version = version
        self._flexible = flexible

    def message(self, message_type: type, path: str) -> str:
        """Generates the lines that decode a message. Returns the local that has it."""
        shape = layout(message_type, self._version)
        values = {field.name: self._value(field, f"{path}.{field.name}") for field in shape.present}
        values |= {field.name: self._default(field) for field in shape.absent}
        if self._flexible:
            values |= self._tagged_fields(shape, path)
        else:
            self._source.flush()
        return self._made(message_type, values)

    def _made(self, message_type: type, values: dict[str, str]) -> str:
        """Makes the object without `__init__`: setting its slots takes a third of the time."""
        made = self._source.name("message")
        cls = self._source.constant(message_type.__name__, message_type)
        self._source.line(f"{made} = new({cls})")
        for name, value in values.items():
            self._source.line(f"{made}.{name} = {value}")
        return made

    def _value(self, field: Field, path: str) -> str:
        """Decodes one field. Returns an expression that is valid once the run is flushed."""
        match field.wire_type:
            case Fixed(code, size, enum):
                local = self._source.fixed(code, size, field.name)
                return f"{self._source.constant(enum.__name__, enum)}({local})" if enum else local
            case Sized() | Records() as sized:
                length = self._source.length(sized.classic_code, sized.classic_size)
                local = self._source.name(field.name)
                with self._source.unless_null(length, local, nullable=field.is_nullable):
                    self._source.sized(sized, length, local, path)
                return local
            case ArrayOf():
                count = self._source.length("i", 4)
                local = self._source.name(field.name)
                with self._source.unless_null(count, local, nullable=field.is_nullable):
                    self._array(field, field.wire_type, count, local, path)
                return local
            case nested if field.is_nullable:
                return self._nullable_message(field, nested, path)
            case nested:
                return self.message(nested, path)

    def _nullable_message(self, field: Field, nested: type, path: str) -> str:
        """Decodes a byte, which is negative for null (KIP-893), and the message."""
        is_there = self._source.fixed("b", 1, "is_there")
        self._source.flush()
        local = self._source.name(field.name)
        with self._source.unless_null(is_there, local, nullable=True):
            self._source.line(f"{local} = {self.message(nested, path)}")
        return local

    def _array(self, field: Field, array: ArrayOf, count: str, into: str, path: str) -> None:
        least = size_min(array.element, self._version, flexible=self._flexible)
        assert least > 0, f"{path}: a count of elements without bytes cannot be checked"
        source = self._source
        source.line(f"left -= {count}")
        source.refuse_if(f"{count} < 0 or left < 0 or {count} * {least} > end - pos", path, count)
        if isinstance(array.element, Fixed):
            source.constant("repeated", repeated)
            source.line(
                f"{into} = list(repeated({array.element.code!r}, {count}).unpack_from(data, pos))"
            )
            source.line(f"pos += {count} * {least}")
            return
        source.line(f"{into} = []")
        with source.block(f"for _ in range({count}):"):
            element = field._replace(wire_type=array.element, is_nullable=False)
            source.line(f"{into}.append({self._value(element, path)})")

    def _tagged_fields(self, shape: Layout, path: str) -> dict[str, str]:
        """Decodes the fields at the end of a flexible message, which are rare."""
        source = self._source
        count = source.fixed("B", 1, "tags")
        source.flush()
        into = {tag: source.name(field.name) for tag, field in shape.tagged.items()}
        for tag, field in shape.tagged.items():
            source.line(f"{into[tag]} = {self._default(field)}")
        with source.block(f"if {count}:"):
            source.line(f"{count}, pos = read_uvarint(data, pos - 1)")
            source.line(f"left -= {count}")
            source.refuse_if("left < 0", f"{path} tags", count)
            if shape.tagged:
                self._known_tags(shape, into, count, path)
            else:
                source.constant("skip_tagged_fields", skip_tagged_fields)
                source.line(f"pos = skip_tagged_fields(data, pos, {count})")
        return {shape.tagged[tag].name: local for tag, local in into.items()}

    def _known_tags(self, shape: Layout, into: dict[int, str], count: str, path: str) -> None:
        source = self._source
        tag, size, stop = source.name("tag"), source.name("size"), source.name("stop")
        with source.block(f"for _ in range({count}):"):
            source.line(f"{tag}, pos = read_uvarint(data, pos)")
            source.line(f"{size}, pos = read_uvarint(data, pos)")
            source.line(f"{stop} = pos + {size}")
            source.refuse_if(f"{stop} > end", f"{path} tag", size)
            for number, field in shape.tagged.items():
                with source.block(f"if {tag} == {number}:"):
                    value = self._value(field, f"{path}.{field.name}")
                    source.flush()
                    source.line(f"{into[number]} = {value}")
                    # If the value had another size, the next field would start at a wrong position.
                    source.refuse_if(f"pos != {stop}", f"{path}.{field.name}", size)
            source.line(f"pos = {stop}")

    def _default(self, field: Field) -> str:
        return self._source.constant(self._source.name("DEFAULT"), field.default)
