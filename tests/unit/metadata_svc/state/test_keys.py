import pytest

from metadata_svc.state import keys

RANGES = (
    keys.MEMBERS,
    keys.RING_STATES,
    keys.TOPICS,
    keys.PLACEMENTS,
    keys.MOVES,
    keys.DELETED_TOPICS,
    keys.VOLUME_TOKENS,
    keys.ACCEPTED_VOLUMES,
    keys.LOST_VOLUMES,
)
SINGLE = [
    keys.FORMAT_KEY,
    keys.CLUSTER_ID_KEY,
    keys.REVISION_KEY,
    keys.PRODUCER_IDS_KEY,
    keys.LIVE_KEY,
    keys.REBALANCING_KEY,
    keys.MOVE_IDS_KEY,
]


def ranges_of(key):
    return [key_range for key_range in RANGES if key_range[0] <= key < key_range[1]]


@pytest.mark.parametrize("name", ["a", "z" * 249, "__consumer_offsets", "-", "é"])
def test_a_key_with_a_name_lies_in_the_range_of_its_kind_and_no_other(name):
    assert ranges_of(keys.topic_key(name)) == [keys.TOPICS]
    assert ranges_of(keys.member_key(name)) == [keys.MEMBERS]
    assert ranges_of(keys.ring_state_key(name)) == [keys.RING_STATES]
    assert keys.member_of(keys.ring_state_key(name)) == name
    assert ranges_of(keys.volume_token_key(name)) == [keys.VOLUME_TOKENS]
    assert keys.member_of(keys.volume_token_key(name)) == name
    assert ranges_of(keys.accepted_volume_key(name)) == [keys.ACCEPTED_VOLUMES]
    assert keys.member_of(keys.accepted_volume_key(name)) == name
    assert ranges_of(keys.lost_volume_key(name)) == [keys.LOST_VOLUMES]
    assert keys.volume_of(keys.lost_volume_key(name)) == name


@pytest.mark.parametrize("topic_id", [bytes(16), b"\xff" * 16])
def test_a_key_of_a_partition_or_move_lies_in_the_range_of_its_kind_and_no_other(topic_id):
    deleted = keys.deleted_topic_key(2**40, topic_id)
    assert ranges_of(deleted) == [keys.DELETED_TOPICS]
    assert keys.topic_id_of(deleted) == topic_id
    for partition in (0, 9_999, 2**31 - 1):
        key = keys.placement_key(topic_id, partition)
        assert ranges_of(key) == [keys.PLACEMENTS]
        assert keys.partition_of(key) == (topic_id, partition)
    for move_id in (1, 2**62):
        assert ranges_of(keys.move_key(move_id)) == [keys.MOVES]


def test_single_keys_are_in_no_range():
    assert len(set(SINGLE)) == len(SINGLE)
    assert not [key for key in SINGLE if ranges_of(key)]


def test_encoded_numbers_are_decoded_unchanged_and_sort_as_numbers():
    numbers = [0, 1, 255, 256, 2**63 - 1]
    encoded = [keys.encode_number(number) for number in numbers]
    assert [keys.decode_number(value) for value in encoded] == numbers
    assert encoded == sorted(encoded)
