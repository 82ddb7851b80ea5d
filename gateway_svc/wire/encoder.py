"""Writes the function that turns one message into bytes in one version: straight-line.

The function takes a message and returns the parts of its bytes. Fields that the version does not
have are left out, whatever they hold. A value that its wire type cannot hold, or a null where the
version has none, is our own bug and raises whatever Python says of it.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from gateway_svc.wire.schema import ArrayOf, Field, Fixed, Layout, Records, Sized, WireType, layout
from gateway_svc.wire.source import repeated
from gateway_svc.wire.varints import tagged_section
from gateway_svc.wire.writing import WriteSource


def encoder_of(message_type: type, version: int, *, flexible: bool) -> Callable[..., Any]:
    """The compiled writer of `message_type` in `version`."""
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
    """One version of a message and of all messages inside it."""

    def __init__(self, source: WriteSource, version: int, *, flexible: bool) -> None:
        self._source = source
        self._version = version
        self._flexible = flexible

    def message(self, message_type: type, it: str) -> None:
        """Writes the message that the local `it` holds."""
        shape = layout(message_type, self._version)
        for field in shape.present:
            self._value(field, f"{it}.{field.name}")
        if shape.tagged:
            assert self._flexible, f"{message_type.__name__}: tagged fields in a classic version"
            self._tagged_fields(shape, it)
        elif self._flexible:
            self._source.fixed("x")

    def _value(self, one: Field, held: str) -> None:
        """Writes one field. `held` is the expression of its value."""
        match one.wire_type:
            case Fixed(code):
                self._source.fixed(code, held)
            case Sized() as sized:
                self._sized(one, sized, held)
            case Records() as records:
                self._records(one, records, held)
            case ArrayOf() as array:
                self._array(one, array, held)
            case nested:
                local = self._source.name("message")
                self._source.line(f"{local} = {held}")
                if one.is_nullable:
                    self._nullable_message(nested, local)
                else:
                    self.message(nested, local)

    def _nullable_message(self, nested: type, it: str) -> None:
        """A byte goes before it: 1, or -1 where there is none (KIP-893)."""
        source = self._source
        source.flush()
        with source.block(f"if {it} is None:"):
            source.fixed("b", "-1")
            source.flush()
        with source.block("else:"):
            source.fixed("b", "1")
            self.message(nested, it)
            source.flush()

    def _sized(self, one: Field, sized: Sized, held: str) -> None:
        source = self._source
        value, size = source.name(one.name), source.name("size")
        source.line(f"{value} = {held}")
        with self._unless_null(one, value, size, null="b''"):
            if sized.is_text:
                source.line(f"{value} = {value}.encode()")
            source.line(f"{size} = {source.size_of(f'len({value})')}")
        source.length(sized.classic_code, size)
        source.put(value)

    def _records(self, one: Field, records: Records, held: str) -> None:
        source = self._source
        chunks, size = source.name("chunks"), source.name("size")
        source.line(f"{chunks} = {held}")
        with self._unless_null(one, chunks, size, null="()"):
            with source.block(f"if type({chunks}) is not list:"):
                source.line(f"{chunks} = [{chunks}]")
            source.line(f"{size} = {source.size_of(f'sum(map(len, {chunks}))')}")
        source.length(records.classic_code, size)
        source.flush()
        with source.block(f"if {chunks}:"):
            source.put_chunks(chunks)

    def _array(self, one: Field, array: ArrayOf, held: str) -> None:
        source = self._source
        values, size = source.name(one.name), source.name("size")
        source.line(f"{values} = {held}")
        with self._unless_null(one, values, size, null="()"):
            source.line(f"{size} = {source.size_of(f'len({values})')}")
        source.length("i", size)
        source.flush()
        with source.block(f"if {values}:"):
            self._elements(one, array.element, values)

    def _elements(self, one: Field, element: WireType, values: str) -> None:
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
                self._value(one._replace(wire_type=element, is_nullable=False), each)
            source.flush()

    def _unless_null(
        self, one: Field, value: str, size: str, *, null: str
    ) -> AbstractContextManager[None]:
        """The block for a value that is there; one that is not becomes `null`, which is empty."""
        if not one.is_nullable:
            return nullcontext()
        with self._source.block(f"if {value} is None:"):
            self._source.line(f"{value} = {null}")
            self._source.line(f"{size} = {self._source.null_size}")
        return self._source.block("else:")

    def _tagged_fields(self, shape: Layout, it: str) -> None:
        """Writes the tagged fields that are not at their defaults; most often there are none."""
        source = self._source
        fields = [(tag, one, self._is_said(one, it)) for tag, one in shape.tagged.items()]
        source.flush()
        with source.block(f"if {' or '.join(said for _, _, said in fields)}:"):
            tagged = source.name("tagged")
            source.line(f"{tagged} = []")
            for tag, one, said in fields:
                with source.block(f"if {said}:"):
                    with source.aside() as written:
                        self._value(one, f"{it}.{one.name}")
                        source.flush()
                    source.line(f"{tagged}.append(({tag}, {written}))")
            source.constant("tagged_section", tagged_section)
            source.put(f"tagged_section({tagged})")
        with source.block("else:"):
            source.fixed("x")
            source.flush()

    def _is_said(self, one: Field, it: str) -> str:
        if isinstance(one.wire_type, ArrayOf):
            return f"{it}.{one.name}"
        if one.default is None:
            return f"{it}.{one.name} is not None"
        return (
            f"{it}.{one.name} != {self._source.constant(self._source.name('DEFAULT'), one.default)}"
        )
