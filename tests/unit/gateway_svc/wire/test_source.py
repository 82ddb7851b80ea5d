import struct

import pytest

from gateway_svc.wire.source import Source, repeated


def test_lines_are_compiled_to_a_function():
    source = Source("twice", "number")
    with source.block("if number < 0:"):
        source.line("return None")
    source.line("return number * 2")
    twice = source.compile_function("doubling")
    assert (twice(-1), twice(4)) == (None, 8)
    assert twice.__code__.co_filename == "<doubling>"


def test_opening_line_is_first_and_not_repeated():
    source = Source("counted", "")
    source.line("return len(seen)")
    source.opening("seen = [1]")
    source.opening("seen = [1]")
    assert source.text().splitlines() == [
        "def counted():",
        "    seen = [1]",
        "    return len(seen)",
    ]


def test_name_returns_unique_names():
    source = Source("f", "")
    assert len({source.name("size"), source.name("size"), source.name("pos")}) == 3


def test_constant_rejects_a_second_value():
    source = Source("f", "")
    marker = object()
    assert source.constant("MARKER", marker) == source.constant("MARKER", marker) == "MARKER"
    source.line("return MARKER")
    assert source.compile_function("f")() is marker
    with pytest.raises(AssertionError):
        source.constant("MARKER", object())


def test_struct_method_is_big_endian_and_shared():
    source = Source("packed", "number")
    name = source.struct_method("h?", "pack")
    assert source.struct_method("h?", "pack") == name
    source.line(f"return {name}(number, True)")
    assert source.compile_function("packed")(258) == b"\x01\x02\x01"


def test_repeated_struct_holds_an_array():
    assert repeated("i", 3).pack(1, 2, 3) == struct.pack(">3i", 1, 2, 3)
    assert repeated("q", 0).size == 0
