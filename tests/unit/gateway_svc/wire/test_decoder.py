import tracemalloc

import pytest

from gateway_svc.wire.decoder import ELEMENTS_MAX, MALFORMED, decoder_of
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import (
    BOOL,
    ERROR_CODE,
    INT16,
    INT32,
    STRING,
    UUID,
    ArrayOf,
    message,
    wire,
)
from gateway_svc.wire.varints import uvarint
from gateway_svc.wire.violations import ProtocolViolation


@message
class Part:
    index: int = wire(INT32)
    note: str = wire(STRING, since=1, default="none")


@message
class Example:
    """Version 0 is classic, later ones are flexible."""

    code: ErrorCode = wire(ERROR_CODE)
    is_on: bool = wire(BOOL)
    part: Part = wire(Part)
    parts: list[Part] | None = wire(ArrayOf(Part), nullable_since=2)
    numbers: list[int] = wire(ArrayOf(INT16))
    uuid: bytes = wire(UUID, since=1, tag=0, default=bytes(16))
    leader: Part | None = wire(Part, since=1, tag=5, default=None)


@message
class Names:
    names: list[str] = wire(ArrayOf(STRING))


V1_FIXED = "0003 01  00000001 02 61 00"


def read(message_type, hex_bytes, version):
    data = bytes.fromhex(hex_bytes)
    decoder = decoder_of(message_type, version, flexible=version > 0)
    example, end = decoder(data, 0, len(data))
    assert end == len(data)
    return example


def test_classic_fields_are_read_in_order_and_missing_ones_have_defaults():
    hex_bytes = "0003 01  00000001  00000002 00000007 00000008  00000003 0001 0002 0003"
    assert read(Example, hex_bytes, 0) == Example(
        code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        is_on=True,
        part=Part(index=1),
        parts=[Part(index=7), Part(index=8)],
        numbers=[1, 2, 3],
    )


def test_flexible_messages_end_with_tags_at_every_level():
    example = read(Example, f"{V1_FIXED}  02 00000007 01 00  01  00", 1)
    assert example.part == Part(index=1, note="a")
    assert example.parts == [Part(index=7, note="")]
    assert (example.numbers, example.uuid, example.leader) == ([], bytes(16), None)


def test_known_tagged_fields_are_read_among_unknown_ones_in_any_order():
    tags = f"03  09 01 ff  05 06 00000009 01 00  00 10 {'ab' * 16}"
    example = read(Example, f"{V1_FIXED}  01 01  {tags}", 1)
    assert example.leader == Part(index=9, note="")
    assert example.uuid == b"\xab" * 16


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param(f"01  00 11 {'ab' * 17}", id="announced size too large"),
        pytest.param(f"01  00 0f {'ab' * 16}", id="announced size too small"),
        pytest.param("01  09 05 abab", id="unknown field truncated"),
        pytest.param(f"01  00 7f {'ab' * 16}", id="known field truncated"),
    ],
)
def test_tagged_field_must_have_its_announced_size(tags):
    with pytest.raises(ProtocolViolation):
        read(Example, f"{V1_FIXED}  01 01  {tags}", 1)


def test_null_is_accepted_only_in_versions_that_allow_it():
    assert read(Example, f"{V1_FIXED}  00 01  00", 2).parts is None
    with pytest.raises(ProtocolViolation, match=r"Example\.parts"):
        read(Example, f"{V1_FIXED}  00 01  00", 1)


def test_any_byte_but_zero_is_true():
    assert read(Example, "0000 7f  00000001  00000000  00000000", 0).is_on is True
    assert read(Example, "0000 00  00000001  00000000  00000000", 0).is_on is False


@pytest.mark.parametrize(
    "hex_bytes",
    [
        pytest.param("7fff 01  00000001  00000000  00000000", id="unknown error code"),
        pytest.param("0000 01  0000", id="cut inside a run"),
        pytest.param("", id="nothing"),
    ],
)
def test_decoder_raises_only_malformed_errors(hex_bytes):
    with pytest.raises(MALFORMED):
        read(Example, hex_bytes, 0)


@pytest.mark.parametrize("text", ["ff", "c3 28", "ed a0 80"], ids=["byte", "pair", "surrogate"])
def test_text_that_is_not_utf_8_is_malformed(text):
    size = len(bytes.fromhex(text))
    with pytest.raises(MALFORMED):
        read(Names, f"00000001 {size:04x} {text}", 0)


@pytest.mark.parametrize("count", ["7fffffff", "00000004", "ffffffff", "80000000"])
def test_count_larger_than_the_remaining_bytes_is_rejected(count):
    with pytest.raises(ProtocolViolation, match=r"Names\.names"):
        read(Names, f"{count}  0001 61  0001 62", 0)


def test_message_has_a_limited_number_of_elements():
    def image(count):
        return (uvarint(count + 1) + b"\1" * count + b"\0").hex()

    assert len(read(Names, image(ELEMENTS_MAX), 1).names) == ELEMENTS_MAX
    with pytest.raises(ProtocolViolation, match=r"Names\.names"):
        read(Names, image(ELEMENTS_MAX + 1), 1)


def test_tags_count_as_elements():
    tags = uvarint(ELEMENTS_MAX + 1) + bytes(2 * ELEMENTS_MAX + 2)
    with pytest.raises(ProtocolViolation, match="Names tags"):
        read(Names, (b"\1" + tags).hex(), 1)


def test_rejecting_a_count_allocates_no_memory():
    decoder = decoder_of(Example, 1, flexible=True)
    data = bytes.fromhex(V1_FIXED) + uvarint(2**31 - 1) + bytes(1000)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolViolation):
            decoder(data, 0, len(data))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@message
class Named:
    name: str = wire(STRING)


def test_string_has_the_same_maximum_length_in_flexible_versions():
    read = decoder_of(Named, 1, flexible=True)
    for size in (0x7FFF, 0x8000):
        data = b"".join((uvarint(size + 1), b"x" * size, b"\0"))
        if size == 0x7FFF:
            assert read(data, 0, len(data))[0].name == "x" * size
        else:
            with pytest.raises(ProtocolViolation, match=r"name: 32768 announced"):
                read(data, 0, len(data))
