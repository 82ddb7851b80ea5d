import pytest

from common.group_partitions import group_partition


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
def test_groups_are_where_kafka_has_them(group_id, java_hash):
    absolute = 0 if java_hash == -(2**31) else abs(java_hash)
    for count in (1, 3, 50, 1000):
        assert group_partition(group_id, count) == absolute % count
