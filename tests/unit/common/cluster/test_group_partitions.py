import random

import pytest

from common.cluster.group_partitions import group_partition


def java_hash_code(text):
    """Returns Java's `String.hashCode`: computed by UTF-16 code unit, as a signed number."""
    value = 0
    units = text.encode("utf-16-be", "surrogatepass")
    for high, low in zip(units[::2], units[1::2], strict=True):
        value = (31 * value + 256 * high + low) % (1 << 32)
    return value - (1 << 32) if value >> 31 else value


@pytest.mark.parametrize("alphabet", ["ab", "\uffff", "é漢🦀x", "\x00\uffff\ud800"])
@pytest.mark.parametrize("size", [99, 100, 101, 127, 128, 129, 191, 192, 193, 1000, 32_767])
def test_long_group_ids_have_the_hash_of_kafka(alphabet, size):
    text = "".join(random.Random(size).choices(alphabet, k=size))
    expected = java_hash_code(text)
    for count in (50, 1 << 31):
        absolute = 0 if expected == -(2**31) else abs(expected)
        assert group_partition(text, count) == absolute % count


@pytest.mark.parametrize(
    ("group_id", "java_hash"),
    [
        ("", 0),
        ("a", 97),
        ("test", 3556498),
        ("my-group", -1906497762),
        ("polygenelubricants", -(2**31)),
        ("漢🦀", 29113252),
    ],
)
def test_group_ids_have_the_hash_of_kafka(group_id, java_hash):
    absolute = 0 if java_hash == -(2**31) else abs(java_hash)
    for count in (1, 3, 50, 1000):
        assert group_partition(group_id, count) == absolute % count
