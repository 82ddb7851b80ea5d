import itertools
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.records.errors import CorruptRecords
from common.records.message import Message, read_messages, write_message
from tests.support.wire.record_strategies import record_lists
from tests.support.wire.reference_records import BUILDERS, READERS

MESSAGE = Message(offset=5, attributes=0, timestamp=1000, key=b"k", value=b"v")

#: As aiokafka and kafka-python write them.
GOLDEN = {
    0: "0000000000000005 00000010 1fecd70a 00 00 00000001 6b 00000001 76",
    1: "0000000000000005 00000018 e4e321bc 01 00 00000000000003e8 00000001 6b 00000001 76",
}

MAGICS = pytest.mark.parametrize("magic", [0, 1])


def test_the_crc_is_that_of_zlib():
    assert zlib.crc32(b"123456789") == 0xCBF43926


@MAGICS
def test_wire_image(magic):
    golden = bytes.fromhex(GOLDEN[magic])
    assert write_message(MESSAGE, magic) == golden
    expected = MESSAGE if magic else MESSAGE._replace(timestamp=-1)
    assert list(read_messages(golden, magic)) == [expected]


@MAGICS
@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
@settings(max_examples=30)
@given(records=record_lists(headers=False))
def test_messages_are_read_and_written_as_clients_do(magic, build, records):
    built = build(records, magic, 0)
    messages = list(read_messages(built, magic))
    assert [(m.key, m.value) for m in messages] == [(r.key, r.value) for r in records]
    assert b"".join(write_message(message, magic) for message in messages) == built
    assert all(len(read(built)) == len(records) for read in READERS.values())


@MAGICS
def test_null_is_not_empty(magic):
    for key, value in itertools.product([None, b""], repeat=2):
        written = write_message(Message(0, 0, -1, key, value), magic)
        assert list(read_messages(written, magic)) == [Message(0, 0, -1, key, value)]


def test_only_magic_1_has_a_timestamp_type():
    message = MESSAGE._replace(attributes=0x08)
    for magic in (0, 1):
        (read,) = read_messages(write_message(message, magic), magic)
        assert read.is_log_append_time == bool(magic)


@MAGICS
def test_truncated_set_yields_its_whole_messages_and_then_an_error(magic):
    encoded = write_message(MESSAGE, magic)
    for end in range(len(encoded) + 1, 2 * len(encoded)):
        messages = read_messages((encoded * 2)[:end], magic)
        assert next(messages).key == b"k"
        with pytest.raises(CorruptRecords, match="ends within a message"):
            next(messages)


@MAGICS
def test_a_changed_byte_is_detected_anywhere_except_in_the_offset(magic):
    encoded = write_message(MESSAGE, magic)
    for position in range(8, len(encoded)):
        changed = bytearray(encoded)
        changed[position] ^= 0x80
        with pytest.raises(CorruptRecords):
            list(read_messages(bytes(changed), magic))


def _with_sizes(magic: int, *, size: int, key: int, value: int) -> bytes:
    """Returns a message of the given lengths, which may be false, with a valid CRC."""
    timestamp = bytes(8) if magic else b""
    lengths = [length.to_bytes(4, "big", signed=True) for length in (size, key, value)]
    body = b"".join((bytes([magic, 0]), timestamp, lengths[1], b"k", lengths[2], b"v"))
    return bytes(8) + lengths[0] + zlib.crc32(body).to_bytes(4, "big") + body


@MAGICS
@pytest.mark.parametrize(
    ("key", "value"),
    [(2, 1), (1, 2), (1, 0), (-1, 1), (1, -1), (2**31 - 1, 1), (1, 2**31 - 1), (-(2**31), 1)],
)
def test_false_lengths_under_a_valid_crc_are_corrupt(magic, key, value):
    size = 24 if magic else 16
    assert len(list(read_messages(_with_sizes(magic, size=size, key=1, value=1), magic))) == 1
    with pytest.raises(CorruptRecords):
        list(read_messages(_with_sizes(magic, size=size, key=key, value=value), magic))


@MAGICS
@pytest.mark.parametrize("size", [-(2**31), -12, -1, 0, 3, 4, 13, 2**31 - 1])
def test_a_false_size_is_corrupt(magic, size):
    with pytest.raises(CorruptRecords):
        list(read_messages(_with_sizes(magic, size=size, key=1, value=1), magic))


@MAGICS
def test_a_message_of_another_magic_is_corrupt(magic):
    other = write_message(MESSAGE._replace(value=bytes(20)), 1 - magic)
    with pytest.raises(CorruptRecords, match=f"magic {1 - magic} in a set of magic {magic}"):
        list(read_messages(other, magic))


@MAGICS
@given(data=st.binary(min_size=1, max_size=60))
def test_random_bytes_are_corrupt(magic, data):
    with pytest.raises(CorruptRecords):
        list(read_messages(data, magic))


def test_a_timestamp_beyond_64_bits_cannot_be_written():
    with pytest.raises(CorruptRecords):
        write_message(MESSAGE._replace(timestamp=2**63), 1)
