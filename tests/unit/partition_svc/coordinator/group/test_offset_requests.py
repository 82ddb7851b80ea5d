import pytest

from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import DeleteOffsets, TopicPartitions
from tests.support.groups.driven_group import DrivenGroup

RETENTION_MS = 100_000
READS_U = b"\x00\x00" + b"\x00\x00\x00\x01" + b"\x00\x01u"


def driven_group():
    return DrivenGroup(offsets_retention_ms=RETENTION_MS)


def delete_offsets(driven, *topics):
    request = DeleteOffsets("g", [TopicPartitions(topic, [0, 1]) for topic in topics])
    [(_, response)] = driven.group.delete_offsets(request, 1, driven.now_ms).replies
    return response


def test_commit_of_a_member_to_an_unknown_group_is_rejected():
    driven = driven_group()
    assert driven.commit(5, "a", 1).refusal is GroupRefusal.GROUP_ID_NOT_FOUND
    refused = driven.commit(5, "a", 1, predates_epochs=True)
    assert refused.refusal is GroupRefusal.ILLEGAL_GENERATION
    assert not driven.group.exists
    driven.commit(5)
    assert driven.commit(5, "a", 1).refusal is GroupRefusal.UNKNOWN_MEMBER_ID


def test_commit_extends_the_session():
    driven = driven_group()
    generation = driven.stable("a")
    driven.pass_ms(9_999)
    driven.commit(5, "a", generation)
    driven.pass_ms(9_999)
    assert driven.heartbeat("a", generation) is None


def test_delete_offsets_rejects_subscribed_topics_only():
    driven = driven_group()
    generation = driven.stable("a", metadata=READS_U)
    driven.commit(5, "a", generation)
    subscribed = GroupRefusal.GROUP_SUBSCRIBED_TO_TOPIC
    assert delete_offsets(driven, "u", "t").refusals == [subscribed, subscribed, None, None]
    assert driven.committed() is None


@pytest.mark.parametrize("metadata", [b"", b"unreadable"])
def test_delete_offsets_rejects_all_topics_with_malformed_subscriptions(metadata):
    driven = driven_group()
    generation = driven.stable("a", metadata=metadata)
    driven.commit(5, "a", generation)
    assert delete_offsets(driven, "t").refusals == [GroupRefusal.GROUP_SUBSCRIBED_TO_TOPIC] * 2
    driven.pass_ms(9_000)
    assert driven.committed() == 5


def test_delete_offsets_of_other_protocol_types_needs_an_empty_group():
    driven = driven_group()
    driven.stable("a", protocol_type="connect")
    assert delete_offsets(driven, "t").refusal is GroupRefusal.NON_EMPTY_GROUP
    driven.leave("a")
    assert delete_offsets(driven, "t").refusals == [None, None]


def test_delete_offsets_of_an_unknown_group_is_rejected():
    assert delete_offsets(driven_group(), "t").refusal is GroupRefusal.GROUP_ID_NOT_FOUND
