import pytest

from gateway_svc.wire.varints import (
    oversized,
    read_uvarint,
    skip_tagged_fields,
    tagged_section,
    uvarint,
)
from gateway_svc.wire.violations import ProtocolViolation

NUMBERS = [
    pytest.param(0, "00", id="zero"),
    pytest.param(1, "01", id="one"),
    pytest.param(127, "7f", id="largest of one byte"),
    pytest.param(128, "80 01", id="smallest of two bytes"),
    pytest.param(16_384, "80 80 01", id="smallest of three bytes"),
    pytest.param(2**31 - 1, "ff ff ff ff 07", id="int32"),
]


@pytest.mark.parametrize(("number", "hex_bytes"), NUMBERS)
def test_uvarint_encodes_and_decodes_a_number(number, hex_bytes):
    image = bytes.fromhex(hex_bytes)
    assert uvarint(number) == image
    assert read_uvarint(b"-" + image + b"-", 1) == (number, 1 + len(image))


@pytest.mark.parametrize(("number", "hex_bytes"), NUMBERS)
def test_truncated_uvarint_raises_index_error(number, hex_bytes):
    image = bytes.fromhex(hex_bytes)
    for length in range(len(image)):
        with pytest.raises(IndexError):
            read_uvarint(image[:length], 0)


def test_uvarint_has_at_most_five_bytes():
    assert read_uvarint(b"\xff\xff\xff\xff\x0f", 0) == (2**32 - 1, 5)
    with pytest.raises(ProtocolViolation):
        read_uvarint(b"\xff\xff\xff\xff\x8f\x00", 0)


def test_skip_tagged_fields_skips_a_written_section():
    section = tagged_section([(0, b""), (3, b"abc"), (300, bytes(200))])
    count, start = read_uvarint(section, 0)
    assert count == 3
    assert skip_tagged_fields(section + b"next", start, count) == len(section)


def test_tagged_field_beyond_the_end_is_a_violation():
    assert skip_tagged_fields(b"\x00\x02ab", 0, 1) == 4
    with pytest.raises(ProtocolViolation, match="tagged field: 2 announced, 1 bytes left"):
        skip_tagged_fields(b"\x00\x02a", 0, 1)


def test_oversized_names_the_field_and_the_sizes():
    assert str(oversized("Fetch.topics", 900, 3)) == "Fetch.topics: 900 announced, 3 bytes left"
