import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.records.errors import CorruptRecords
from common.records.varint import decode_varint, encode_varint

INT64 = st.integers(-(2**63), 2**63 - 1)

#: Kafka's ByteUtilsTest has the same numbers.
GOLDEN = [
    (0, "00"),
    (-1, "01"),
    (1, "02"),
    (63, "7e"),
    (-64, "7f"),
    (64, "8001"),
    (-65, "8101"),
    (8191, "fe7f"),
    (8192, "808001"),
    (-8193, "818001"),
    (2**31 - 1, "feffffff0f"),
    (-(2**31), "ffffffff0f"),
    (2**63 - 1, "feffffffffffffffff01"),
    (-(2**63), "ffffffffffffffffff01"),
]


@pytest.mark.parametrize(("number", "encoded"), GOLDEN)
def test_wire_image(number, encoded):
    assert encode_varint(number).hex() == encoded
    assert decode_varint(bytes.fromhex(encoded), 0) == (number, len(encoded) // 2)


@given(INT64, st.binary(max_size=3))
def test_every_number_is_decoded_with_the_position_after_it(number, before):
    encoded = encode_varint(number)
    end = len(before) + len(encoded)
    assert decode_varint(before + encoded + b"\x80", len(before)) == (number, end)


@given(INT64)
def test_a_number_cut_anywhere_is_an_index_error(number):
    encoded = encode_varint(number)
    for end in range(len(encoded)):
        with pytest.raises(IndexError):
            decode_varint(encoded[:end], 0)


@pytest.mark.parametrize("hex_bytes", ["80" * 10 + "00", "ff" * 9 + "02", "ff" * 64 + "00"])
def test_a_number_of_more_than_64_bits_is_corrupt(hex_bytes):
    with pytest.raises(CorruptRecords):
        decode_varint(bytes.fromhex(hex_bytes), 0)
