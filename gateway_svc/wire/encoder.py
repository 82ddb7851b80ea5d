"""Generates the function that encodes a message in one version: straight-line code.

The function takes a message and returns the parts of its bytes. Fields that the version does not
have are left out. A value that its wire type cannot hold, or a null where the version has none, is
a bug of a handler, and raises an exception of Python.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from gateway_svc.wire.schema import ArrayOf, Field, Fixed, Layout, Records, Sized, WireType, layout
from gateway_svc.wire.source import repeated
from gateway_svc.wire.varints import tagged_section
from gateway_svc.wire.writing import WriteSource


def encoder_of(message_type: type, version: int, *, flexible: bool) -> Callable[..., Any]:
    """Returns the compiled encoder of `message_type` in `version`."""
    source = encoder_source(message_type, version, flexible=flexible)
    return source.compile_function(f"encode {message_type.__name__} v{version}")


def encoder_source(message_type: type, version: int, *, flexible: bool) -> WriteSource:
    source = WriteSource(flexible=flexible)
    _Encoder(source, version, flexible=flexible).message(message_type, "message")
    source.flush()
    with source.block("if pieces or not parts:"):
        source.line("parts.append(join(pieces))")
    source.line("return parts")
    return source


class _Encoder:
    """Generates the lines for one version of a message and of all messages inside it."""

    def __init__(self, source: WriteSource, version: int, *, flexible: bool) -> None:
        self._source = source
        self._version = version
        self._flexible = flexible

    def message(self, message_type: type, it: str) -> None:
        """Generates the lines that encode the message in the local `it`."""
        shape = layout(message_type, self._version)
        for field in shape.present:
            self._value(field, f"{it}.{field.name}")
        if shape.tagged:
            assert self._flexible, f"{message_type.__name__}: tagged fields in a classic version"
            self._tagged_fields(shape, it)
        elif self._flexible:
            self._source.fixed("x")

    def _value(self, field: Field, expression: str) -> None:
        """Generates the lines that encode one field; `expression` yields its value."""
        match field.wire_type:
            case Fixed(code):
                self._source.fixed(code, expression)
            case Sized() as sized:
                self._sized(field, sized, expression)
            case Records() as records:
                self._records(field, records, expression)
            case ArrayOf() as array:
                self._array(field, array, expression)
            case nested:
                local = self._source.name("message")
                self._source.line(f"{local} = {expression}")
                if field.is_nullable:
                    self._nullable_message(nested, local)
                else:
                    self.message(nested, local)

    def _nullable_message(self, nested: type, it: str) -> None:
        """Encodes 1 and the message, or -1 for null (KIP-893)."""
        source = self._source
        source.flush()
        with source.block(f"if {it} is None:"):
            source.fixed("b", "-1")
            source.flush()
        with source.block("else:"):
            source.fixed("b", "1")
            self.message(nested, it)
            source.flush()

    def _sized(self, field: Field, sized: Sized, expression: str) -> None:
        source = self._source
        value, size = source.name(field.name), source.name("size")
        source.line(f"{value} = {expression}")
        with self._unless_null(field, value, size, null="b''"):
            if sized.is_text:
                source.line(f"{value} = {value}.encode()")
            source.line(f"{size} = {source.size_of(f'len({value})')}")
        source.length(sized.classic_code, size)
        source.put(value)

    def _records(self, field: Field, records: Records, expression: str) -> None:
        source = self._source
        chunks, size = source.name("chunks"), source.name("size")
        source.line(f"{chunks} = {expression}")
        with self._unless_null(field, chunks, size, null="()"):
            with source.block(f"if type({chunks}) is not list:"):
                source.line(f"{chunks} = [{chunks}]")
            source.line(f"{size} = {source.size_of(f'sum(map(len, {chunks}))')}")
        source.length(records.classic_code, size)
        source.flush()
        with source.block(f"if {chunks}:"):
            source.put_chunks(chunks)

    def _array(self, field: Field, array: ArrayOf, expression: str) -> None:
        source = self._source
        values, size = source.name(field.name), source.name("size")
        source.line(f"{values} = {expression}")
        with self._unless_null(field, values, size, null="()"):
            source.line(f"{size} = {source.size_of(f'len({values})')}")
        source.length("i", size)
        source.flush()
        with source.block(f"if {values}:"):
            self._elements(field, array.element, values)

    def _elements(self, field: Field, element: WireType, values: str) -> None:
        source = self._source
        if isinstance(element, Fixed):
            source.constant("repeated", repeated)
            source.put(f"repeated({element.code!r}, len({values})).pack(*{values})")
            return
        each = source.name("each")
        with source.block(f"for {each} in {values}:"):
            if isinstance(element, type):
                self.message(element, each)
            else:
                self._value(field._replace(wire_type=element, is_nullable=False), each)
            source.flush()

    def _unless_null(
        self, field: Field, value: str, size: str, *, null: str
    ) -> AbstractContextManager[None]:
        """Returns the block for a value other than null; null becomes `null`, which is empty."""
        if not field.is_nullable:
            return nullcontext()
        with self._source.block(f"if {value} is None:"):
            self._source.line(f"{value} = {null}")
            self._source.line(f"{size} = {self._source.null_size}")
        return self._source.block("else:")

    def _tagged_fields(self, shape: Layout, it: str) -> None:
        """Encodes the tagged fields that differ from their defaults, which are rare."""
        source = self._source
        fields = [(tag, field, self._is_written(field, it)) for tag, field in shape.tagged.items()]
        source.flush()
        with source.block(f"if {' or '.join(condition for _, _, condition in fields)}:"):
            tagged = source.name("tagged")
            source.line(f"{tagged} = []")
            for tag, field, condition in fields:
                with source.block(f"if {condition}:"):
                    with source.aside() as written:
                        self._value(field, f"{it}.{field.name}")
                        source.flush()
                    source.line(f"{tagged}.append(({tag}, {written}))")
            source.constant("tagged_section", tagged_section)
            source.put(f"tagged_section({tagged})")
        with source.block("else:"):
            source.fixed("x")
            source.flush()

    def _is_written(self, field: Field, it: str) -> str:
        if isinstance(field.wire_type, ArrayOf):
            return f"{it}.{field.name}"
        if field.default is None:
            return f"{it}.{field.name} is not None"
        default = self._source.constant(self._source.name("DEFAULT"), field.default)
        return f"{it}.{field.name} != {default}"
