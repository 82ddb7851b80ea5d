import json

from common.ports.metadata import Member, Placement, Topic
from metadata_svc.store import rows

TOPIC = Topic(
    bytes(range(16)),
    "t",
    (Placement("p-1", 3), Placement("p-0", 0), Placement("p-1", 2**31 - 1)),
    {"cleanup.policy": "compact", "retention.ms": "-1"},
    is_internal=True,
)


def test_a_topic_comes_back_as_it_was():
    assert rows.decode_topic(rows.encode_topic(TOPIC)) == TOPIC


def test_a_topic_s_row_is_what_its_description_says():
    assert json.loads(rows.encode_topic(TOPIC)) == {
        "id": "000102030405060708090a0b0c0d0e0f",
        "name": "t",
        "owners": ["p-0", "p-1"],
        "placement": [[1, 3], [0, 0], [1, 2**31 - 1]],
        "configs": {"cleanup.policy": "compact", "retention.ms": "-1"},
        "internal": True,
    }


def test_a_member_comes_back_as_it_was():
    member = Member("partition-0", "[::1]:9292")
    assert rows.decode_member(rows.encode_member(member)) == member


def test_who_is_alive_comes_back_as_it_was():
    live = {"gateway/0", "member/partition-0"}
    assert rows.decode_live(rows.encode_live(live)) == live
