import json

import pytest

from common.ports.metadata import Member, Placement, Topic
from common.ports.moves import Move, MovePhase, RingState
from metadata_svc.state import rows

TOPIC = Topic(
    bytes(range(16)),
    "t",
    (Placement("p-1", 3), Placement("p-0", 0), Placement("p-1", 2**31 - 1)),
    {"cleanup.policy": "compact", "retention.ms": "-1"},
    is_internal=True,
)


def test_a_topic_is_decoded_as_it_was_encoded():
    assert rows.decode_topic(rows.encode_topic(TOPIC)) == TOPIC


def test_the_row_of_a_topic_has_the_documented_fields():
    assert json.loads(rows.encode_topic(TOPIC)) == {
        "id": "000102030405060708090a0b0c0d0e0f",
        "name": "t",
        "owners": ["p-0", "p-1"],
        "placement": [[1, 3], [0, 0], [1, 2**31 - 1]],
        "configs": {"cleanup.policy": "compact", "retention.ms": "-1"},
        "internal": True,
    }


def test_a_member_is_decoded_as_it_was_encoded():
    member = Member("partition-0", "[::1]:9292", "volume", 2**40, "opening")
    assert rows.decode_member(rows.encode_member(member)) == member


def test_a_placement_is_decoded_as_it_was_encoded():
    placement = Placement("partition-0", 2**31 - 1)
    assert rows.decode_placement(rows.encode_placement(placement)) == placement


@pytest.mark.parametrize("phase", MovePhase)
def test_a_move_is_decoded_as_it_was_encoded(phase):
    move = Move(2**40, TOPIC.topic_id, 9_999, "p-0", "p-1", 2**31 - 1, phase)
    assert rows.decode_move(rows.encode_move(move)) == move


@pytest.mark.parametrize("state", RingState)
def test_a_ring_state_is_decoded_as_it_was_encoded(state):
    assert rows.decode_ring_state(rows.encode_ring_state(state)) is state


def test_live_identities_are_decoded_as_they_were_encoded():
    live = {"gateway/0", "member/partition-0"}
    assert rows.decode_live(rows.encode_live(live)) == live
