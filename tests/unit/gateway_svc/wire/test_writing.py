import pytest

from gateway_svc.wire.writing import WriteSource


def run(source, message=None):
    source.flush()
    source.line("parts.append(join(pieces))")
    source.line("return parts")
    return source.compile_function("writing")(message)


def test_adjacent_fields_of_fixed_size_are_written_by_one_call():
    source = WriteSource(flexible=False)
    source.fixed("h", "message")
    source.fixed("i", "message + 1")
    assert run(source, 7) == [b"\x00\x07\x00\x00\x00\x08"]
    assert source.text().count("pack_") == 1


def test_zero_bytes_are_written_without_a_call():
    source = WriteSource(flexible=True)
    source.fixed("x")
    source.fixed("x")
    assert run(source) == [b"\0\0"]
    assert "pack_" not in source.text()


@pytest.mark.parametrize(
    ("number", "image"), [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02")]
)
@pytest.mark.parametrize("before", [b"", b"\0\x05"], ids=["alone", "after a fixed field"])
def test_varint_of_any_size_is_written(number, image, before):
    source = WriteSource(flexible=True)
    if before:
        source.fixed("h", "5")
    source.line("number = message")
    source.flush_with_uvarint("number")
    assert run(source, number) == [before + image]


@pytest.mark.parametrize(
    ("flexible", "of_five", "of_null"), [(False, b"\0\x05", b"\xff\xff"), (True, b"\x06", b"\0")]
)
def test_compact_length_is_one_larger(flexible, of_five, of_null):
    source = WriteSource(flexible=flexible)
    source.line(f"five, null = {source.size_of('5')}, {source.null_size}")
    source.length("h", "five")
    source.length("h", "null")
    assert run(source) == [of_five + of_null]


def test_chunks_are_separate_parts():
    source = WriteSource(flexible=True)
    source.put("b'ab'")
    source.put("b'cd'")
    source.put_chunks("message")
    source.put("b'ef'")
    chunk = b"chunk"
    parts = run(source, [chunk, memoryview(chunk)])
    assert parts == [b"abcd", chunk, chunk, b"ef"]
    assert parts[1] is chunk


def test_aside_lines_are_written_where_their_result_is_put():
    source = WriteSource(flexible=True)
    source.fixed("B", "1")
    with source.aside() as written:
        source.fixed("B", "2")
        source.flush()
    source.put("b'-'")
    source.put(written)
    assert run(source) == [b"\x01-\x02"]
