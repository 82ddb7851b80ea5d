import pytest

from partition_svc.coordinator.records.fields import (
    Fields,
    MalformedRecord,
    flexible,
    pack_bytes,
    pack_compact_text,
    pack_text,
)


def test_texts_and_bytes_are_prefixed_with_their_length():
    assert pack_text("ab") == b"\0\2ab"
    assert pack_text("é") == b"\0\2\xc3\xa9"
    assert pack_text(None) == b"\xff\xff"
    assert pack_bytes(b"abc") == b"\0\0\0\3abc"


def test_text_may_have_32767_bytes():
    assert len(pack_text("x" * 32767)) == 32769
    with pytest.raises(MalformedRecord, match="32768 bytes"):
        pack_text("x" * 32768)


def test_fields_are_read_in_their_order():
    fields = Fields(b"\0\1\0\0\0\2\xff" * 1 + b"\xff" * 7 + b"\0\1a\xff\xff\0\0\0\1z")
    assert (fields.int16(), fields.int32(), fields.int64()) == (1, 2, -1)
    assert (fields.text(), fields.text_or_none(), fields.data()) == ("a", None, b"z")
    fields.end()


def test_flexible_lengths_are_varints_plus_one_and_tags_follow():
    fields = flexible(b"\2a\0\3yz\2\x81\1\1x")
    assert (fields.text(), fields.text_or_none(), fields.data()) == ("a", None, b"yz")
    assert fields.count() == 1
    fields = flexible(b"\1\x81\1\1x")
    assert fields.tags() == {129: b"x"}
    fields.end()


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b"\0", Fields.int16),
        (b"\0\3ab", Fields.text),
        (b"\xff\xff", Fields.text),
        (b"\0\1\xff", Fields.text),
        (b"\0\0\0\2a", Fields.data),
        (b"\x7f\xff\xff\xff", Fields.count),
        (b"\0", Fields.end),
    ],
)
def test_truncated_fields_are_malformed(data, read):
    with pytest.raises(MalformedRecord):
        read(Fields(data))


def test_varint_without_end_is_malformed():
    with pytest.raises(MalformedRecord, match="5 bytes"):
        flexible(b"\xff" * 10).count()


def test_texts_of_flexible_versions_are_decoded():
    for text in ("", "é", "x" * 0x7FFF):
        assert flexible(pack_compact_text(text)).text() == text
    with pytest.raises(MalformedRecord, match="32768 bytes"):
        pack_compact_text("x" * 0x8000)
