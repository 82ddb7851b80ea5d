import pytest

from metadata_svc.store import keys


@pytest.mark.parametrize("name", ["a", "z" * 249, "__consumer_offsets", "-", "é"])
def test_every_name_lies_within_the_range_of_its_kind_and_no_other_key_does(name):
    assert keys.TOPICS[0] <= keys.topic_key(name) < keys.TOPICS[1]
    assert keys.MEMBERS[0] <= keys.member_key(name) < keys.MEMBERS[1]
    single = [
        keys.FORMAT_KEY,
        keys.CLUSTER_ID_KEY,
        keys.REVISION_KEY,
        keys.PRODUCER_IDS_KEY,
        keys.LIVE_KEY,
    ]
    assert len(set(single)) == len(single)
    for key in single:
        assert not keys.TOPICS[0] <= key < keys.TOPICS[1]
        assert not keys.MEMBERS[0] <= key < keys.MEMBERS[1]


def test_numbers_come_back_and_sort_as_numbers():
    numbers = [0, 1, 255, 256, 2**63 - 1]
    encoded = [keys.encode_number(number) for number in numbers]
    assert [keys.decode_number(value) for value in encoded] == numbers
    assert encoded == sorted(encoded)
