"""The lines that write runs of fixed-size values, lengths and bytes: the encoder's vocabulary.

Neighbours of fixed size are one `Struct.pack`, a length that fits one byte included. The written
function puts small pieces into a list that is joined once, and closes the list only where record
chunks, which are not copied, come between: `parts` are what it returns.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway_svc.wire.source import Source
from gateway_svc.wire.varints import uvarint

#: The bytes of every varint of one byte.
ONE_BYTE = tuple(bytes((number,)) for number in range(128))


class WriteSource(Source):
    """An encoder's source. Values are written in the order of the calls."""

    def __init__(self, *, flexible: bool) -> None:
        super().__init__("encode", "message")
        self._flexible = flexible
        self._run: list[tuple[str, str]] = []
        self._put = "put"
        self.constant("join", b"".join)
        self.constant("uvarint", uvarint)
        self.opening("parts = []")
        self.opening("pieces = []")
        self.opening("put = pieces.append")

    def fixed(self, code: str, expression: str = "") -> None:
        """Writes one fixed value when the run is flushed. Code `x` is a zero byte."""
        self._run.append((code, expression))

    def flush(self) -> None:
        if self._run:
            self.line(f"{self._put}({self._packed()})")
            self._run.clear()

    def flush_with_uvarint(self, number: str) -> None:
        """Flushes, and writes a number of any size as a varint."""
        after = f" + uvarint({number})"
        large = self._packed() + after if self._run else f"uvarint({number})"
        self.fixed("B", number)
        self.line(f"{self._put}({self._packed()} if {number} < 128 else {large})")
        self._run.clear()

    def length(self, classic_code: str, size: str) -> None:
        """Writes the local `size`, already in the form of `size_of` or `null_size`."""
        if self._flexible:
            self.flush_with_uvarint(size)
        else:
            self.fixed(classic_code, size)

    def size_of(self, expression: str) -> str:
        """The length before a value: compact lengths are one more, because 0 is null (KIP-482)."""
        return f"{expression} + 1" if self._flexible else expression

    @property
    def null_size(self) -> str:
        return "0" if self._flexible else "-1"

    def put(self, expression: str) -> None:
        """Flushes, and writes bytes as they are."""
        self.flush()
        self.line(f"{self._put}({expression})")

    def put_chunks(self, chunks: str) -> None:
        """Flushes, and hands over record chunks without copying them."""
        assert self._put == "put", "records inside a tagged field"
        self.flush()
        self.line("parts.append(join(pieces))")
        self.line("pieces.clear()")
        self.line(f"parts.extend({chunks})")

    @contextmanager
    def aside(self) -> Iterator[str]:
        """Collects the lines written inside; yields the expression of their bytes."""
        self.flush()
        pieces, put, before = self.name("pieces"), self.name("put"), self._put
        self.line(f"{pieces} = []")
        self.line(f"{put} = {pieces}.append")
        self._put = put
        yield f"join({pieces})"
        self._put = before

    def _packed(self) -> str:
        codes = "".join(code for code, _ in self._run)
        if not codes.strip("x"):
            return repr(bytes(len(codes)))
        if codes == "B":
            return f"{self.constant('one_byte', ONE_BYTE)}[{self._run[0][1]}]"
        values = ", ".join(value for _, value in self._run if value)
        return f"{self.struct_method(codes, 'pack')}({values})"
