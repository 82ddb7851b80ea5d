import pytest

from gateway_svc.wire.reading import ReadSource
from gateway_svc.wire.schema import BYTES, RECORDS, STRING
from gateway_svc.wire.violations import ProtocolViolation


def run(source, result, data):
    source.line(f"return {result}, pos")
    return source.compile_function("reading")(data, 0, len(data))


def test_adjacent_fields_of_fixed_size_are_read_by_one_call():
    source = ReadSource(flexible=False)
    first = source.fixed("h", 2, "first")
    second = source.fixed("q", 8, "second")
    source.flush()
    assert source.text().count("unpack") == 1
    assert run(source, f"({first}, {second})", b"\x00\x07" + bytes(7) + b"\x09") == ((7, 9), 10)


def test_flush_without_fields_writes_nothing():
    source = ReadSource(flexible=False)
    before = source.text()
    source.flush()
    assert source.text() == before


@pytest.mark.parametrize(
    ("data", "number", "size"),
    [(b"\x7f", 127, 1), (b"\x80\x01", 128, 2), (b"\xff\xff\x03", 65_535, 3)],
)
def test_varint_of_any_size_is_read_after_fixed_fields(data, number, size):
    source = ReadSource(flexible=True)
    source.fixed("i", 4, "before")
    local = source.uvarint("number")
    assert run(source, local, bytes(4) + data) == (number, 4 + size)


@pytest.mark.parametrize(
    ("flexible", "data", "length"),
    [
        pytest.param(False, b"\x00\x05", 5, id="classic"),
        pytest.param(False, b"\xff\xff", -1, id="classic null"),
        pytest.param(True, b"\x06", 5, id="compact"),
        pytest.param(True, b"\x00", -1, id="compact null"),
    ],
)
def test_length_is_negative_for_null(flexible, data, length):
    source = ReadSource(flexible=flexible)
    assert run(source, source.length("h", 2), data) == (length, len(data))


@pytest.mark.parametrize(
    ("wire_type", "value"),
    [
        (STRING, "h\xe9"),
        (BYTES, b"h\xc3\xa9"),
        (RECORDS, b"h\xc3\xa9"),
    ],
    ids=["text", "bytes", "records"],
)
@pytest.mark.parametrize("as_view", [False, True], ids=["bytes", "view"])
def test_sized_bytes_are_read_as_their_type(wire_type, value, as_view):
    source = ReadSource(flexible=True)
    source.sized(wire_type, "3", "value", "M.field")
    data = b"h\xc3\xa9!"
    assert run(source, "value", memoryview(data) if as_view else data) == (value, 3)


@pytest.mark.parametrize("size", ["4", "-1"])
def test_sized_bytes_beyond_the_end_are_a_violation(size):
    source = ReadSource(flexible=True)
    source.sized(STRING, size, "value", "M.field")
    with pytest.raises(ProtocolViolation, match=f"M.field: {size} announced, 3 bytes left"):
        run(source, "value", b"abc")


def test_null_is_read_only_if_nullable():
    for nullable, expected in ((True, None), (False, "present")):
        source = ReadSource(flexible=True)
        with source.unless_null("-1", "value", nullable=nullable):
            source.line("value = 'present'")
        assert run(source, "value", b"") == (expected, 0)
