import struct

import pytest

from gateway_svc.wire.encoder import encoder_of
from gateway_svc.wire.schema import (
    BOOL,
    INT16,
    INT32,
    RECORDS,
    STRING,
    ArrayOf,
    message,
    wire,
)


@message
class Part:
    index: int = wire(INT32)
    note: str | None = wire(STRING, since=1, nullable_since=1, default=None)


@message
class Example:
    """Version 0 is classic, later ones are flexible."""

    is_on: bool = wire(BOOL, default=True)
    part: Part = wire(Part)
    parts: list[Part] | None = wire(ArrayOf(Part), nullable_since=2, default=())
    names: list[str] = wire(ArrayOf(STRING), default=())
    numbers: list[int] = wire(ArrayOf(INT16), default=())
    records: object = wire(RECORDS, nullable_since=0, default=None)
    limit: int = wire(INT32, since=1, tag=3, default=-1)
    leader: Part | None = wire(Part, since=1, tag=0, default=None)
    nodes: list[Part] = wire(ArrayOf(Part), since=1, tag=9, default=())


def write(example, version):
    return encoder_of(type(example), version, flexible=version > 0)(example)


def hex_of(example, version):
    return b"".join(write(example, version)).hex()


def spaceless(text):
    return text.replace(" ", "")


def test_classic_message_has_fixed_lengths_and_no_tags():
    example = Example(
        part=Part(index=1, note="dropped"), parts=[Part(index=2)], names=["ab"], limit=9
    )
    expected = "01 00000001  00000001 00000002  00000001 0002 6162  00000000  ffffffff"
    assert hex_of(example, 0) == spaceless(expected)


def test_flexible_message_has_compact_lengths_and_ends_with_tags():
    example = Example(part=Part(index=1), parts=[Part(index=2, note="")], numbers=[7, -1])
    expected = "01 00000001 00 00  02 00000002 01 00  01  03 0007 ffff  00  00"
    assert hex_of(example, 1) == spaceless(expected)


def test_tagged_fields_are_written_in_order_except_defaults():
    with_values = Example(part=Part(index=1), limit=5, leader=Part(index=-1), nodes=[Part(index=3)])
    tags = "03  00 06 ffffffff 00 00  03 04 00000005  09 07 02 00000003 00 00"
    assert hex_of(with_values, 1).endswith(spaceless(tags))
    with_defaults = Example(part=Part(index=1), limit=-1, leader=None, nodes=[])
    assert hex_of(with_defaults, 1) == hex_of(Example(part=Part(index=1)), 1)


def test_null_and_empty_arrays_are_encoded_differently():
    none, empty = (Example(part=Part(index=1), parts=parts) for parts in (None, []))
    assert hex_of(none, 2) == spaceless("01 00000001 00 00  00 01 01 00  00")
    assert hex_of(empty, 2) == spaceless("01 00000001 00 00  01 01 01 00  00")


@pytest.mark.parametrize("count", [126, 127, 128, 20_000])
def test_encoder_writes_lengths_of_any_size(count):
    example = Example(
        part=Part(index=1, note="x" * count), names=["y" * count], numbers=[1] * count
    )
    written = b"".join(write(example, 1))
    assert len(written) == 4 * count + 5 + 3 * len_uvarint(count + 1) + 5
    assert b"x" * count in written
    assert struct.pack(f">{count}h", *example.numbers) in written


def len_uvarint(number):
    return 1 + (number > 127) + (number > 16_383)


@pytest.mark.parametrize(
    ("records", "parts"),
    [
        pytest.param(None, 1, id="null"),
        pytest.param(b"rec", 2, id="bytes"),
        pytest.param(memoryview(b"rec"), 2, id="view"),
        pytest.param([b"r", b"ec"], 3, id="chunks"),
        pytest.param([], 1, id="no chunks"),
    ],
)
def test_records_are_separate_parts(records, parts):
    written = write(Example(part=Part(index=1), records=records), 0)
    assert len(written) == parts
    size = -1 if records is None else 3 if records else 0
    tail = b"rec" if size == 3 else b""
    assert b"".join(written).endswith(struct.pack(">i", size) + tail)


def test_message_without_bytes_is_one_empty_part():
    @message
    class Empty:
        late: int = wire(INT32, since=1, default=0)

    assert write(Empty(), 0) == [b""]


@pytest.mark.parametrize(
    ("values", "error"),
    [
        pytest.param({"part": Part(index=2**31)}, struct.error, id="number too large"),
        pytest.param({"part": Part(index=1), "parts": None}, TypeError, id="null array"),
        pytest.param({"part": Part(index=1), "names": [None]}, AttributeError, id="null string"),
    ],
)
def test_encoder_raises_for_an_invalid_value(values, error):
    with pytest.raises(error):
        write(Example(**values), 0)
