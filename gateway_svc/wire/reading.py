"""The lines that read runs of fixed-size values, lengths and text: the decoder's vocabulary.

Neighbours of fixed size are one `Struct.unpack_from`, and the first byte of the varint that ends
such a run (a length, a count, the number of tagged fields) rides along with it. The written
function has `data`, its position `pos`, its `end`, and `left`, the elements it may still make.
"""

from contextlib import AbstractContextManager, nullcontext

from gateway_svc.wire.schema import Records, Sized
from gateway_svc.wire.source import Source
from gateway_svc.wire.varints import oversized, read_uvarint

#: Of one text, also where a compact length could say more (as Kafka's generated messages).
_TEXT_BYTES_MAX = 0x7FFF


class ReadSource(Source):
    """A decoder's source. Values are read in the order of the calls."""

    def __init__(self, *, flexible: bool) -> None:
        super().__init__("decode", "data, pos, end")
        self._flexible = flexible
        self._run: list[tuple[str, str, int]] = []
        self.constant("oversized", oversized)
        self.constant("read_uvarint", read_uvarint)

    def fixed(self, code: str, size: int, meaning: str) -> str:
        """The local that will hold one fixed value when the run is flushed."""
        local = self.name(meaning)
        self._run.append((code, local, size))
        return local

    def flush(self) -> None:
        """Reads the values that are pending."""
        if not self._run:
            return
        codes, names, sizes = zip(*self._run, strict=True)
        self._run.clear()
        if codes == ("B",):
            self.line(f"{names[0]} = data[pos]")
        else:
            unpack = self.struct_method("".join(codes), "unpack_from")
            self.line(f"{', '.join(names)}, = {unpack}(data, pos)")
        self.line(f"pos += {sum(sizes)}")

    def uvarint(self, meaning: str) -> str:
        """Flushes, and reads a varint; nearly all of them are one byte."""
        local = self.fixed("B", 1, meaning)
        self.flush()
        with self.block(f"if {local} > 127:"):
            self.line(f"{local}, pos = read_uvarint(data, pos - 1)")
        return local

    def length(self, classic_code: str, classic_size: int) -> str:
        """Flushes, and reads a length or count. Negative means null."""
        if not self._flexible:
            local = self.fixed(classic_code, classic_size, "size")
            self.flush()
            return local
        local = self.uvarint("size")
        self.line(f"{local} -= 1")
        return local

    def sized(self, wire_type: Sized | Records, size: str, into: str, path: str) -> None:
        """Reads `size` bytes, which must be there, as what `wire_type` says."""
        stop = self.name("stop")
        self.line(f"{stop} = pos + {size}")
        is_text = isinstance(wire_type, Sized) and wire_type.is_text
        too_long = f" or {size} > {_TEXT_BYTES_MAX}" if is_text and self._flexible else ""
        self.refuse_if(f"{size} < 0 or {stop} > end{too_long}", path, size)
        if isinstance(wire_type, Records):
            self.opening("view = memoryview(data)")
            self.line(f"{into} = view[pos:{stop}]")
        elif wire_type.is_text:
            self.line(f"{into} = str(data[pos:{stop}], 'utf-8')")
        else:
            self.line(f"{into} = bytes(data[pos:{stop}])")
        self.line(f"pos = {stop}")

    def unless_null(self, size: str, into: str, *, nullable: bool) -> AbstractContextManager[None]:
        """The block for a value that is there. Without `nullable`, `size` may still be negative."""
        if not nullable:
            return nullcontext()
        with self.block(f"if {size} < 0:"):
            self.line(f"{into} = None")
        return self.block("else:")

    def refuse_if(self, condition: str, path: str, size: str) -> None:
        with self.block(f"if {condition}:"):
            self.line(f"raise oversized({path!r}, {size}, end - pos)")
