import pytest

from common.cluster.view import ClusterView
from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import CommittedOffset, OffsetToCommit, TopicPartitions
from common.ports.metadata import ClusterChange, Placement, Topic
from partition_svc.coordinator.offsets.offsets import GroupOffsets
from partition_svc.coordinator.records.group_records import decode, encode
from partition_svc.coordinator.records.result import CoordinatorResult
from partition_svc.coordinator.records.stored import OffsetRecord, StoredOffset

NOW_MS = 1_000
METADATA_MAX = 8
OLD_ID, NEW_ID = b"old topic with t", b"new topic with t"


def view_with_topic(topic_id=None):
    """Returns a view, which has a topic `t` if `topic_id` is given."""
    topics = [] if topic_id is None else [Topic(topic_id, "t", (Placement("m", 0),))]
    view = ClusterView()
    view.apply(ClusterChange(1, "cluster", is_snapshot=True, topics=topics))
    return view


def commit_offsets(*offsets):
    """Commits to a new group; returns its offsets, the result and the records."""
    group_offsets, effects = GroupOffsets("g", {}, view_with_topic()), CoordinatorResult(NOW_MS)
    result = group_offsets.commit(offsets, METADATA_MAX, effects)
    return group_offsets, result, effects.records


def test_committed_offset_is_fetched_with_its_fields():
    group_offsets, result, _ = commit_offsets(OffsetToCommit("t", 1, 7, 3, "meta"))
    assert result.refusals == [None]
    assert group_offsets.fetch(None).offsets == [CommittedOffset("t", 1, 7, 3, "meta")]


def test_each_committed_offset_is_a_record():
    _, _, records = commit_offsets(
        OffsetToCommit("t", 1, 7, 3, "meta", bytes(16), -1), OffsetToCommit("u", 0, 8)
    )
    assert records == [
        OffsetRecord("g", "t", 1, StoredOffset(7, 3, "meta", NOW_MS, -1, bytes(16))),
        OffsetRecord("g", "u", 0, StoredOffset(8, -1, "", NOW_MS, -1, b"")),
    ]


def test_last_commit_replaces_a_higher_offset():
    group_offsets, _, _ = commit_offsets(OffsetToCommit("t", 0, 7), OffsetToCommit("t", 0, 5))
    assert [offset.offset for offset in group_offsets.fetch(None).offsets] == [5]
    assert len(group_offsets) == 1


def test_too_long_metadata_rejects_only_its_offset():
    group_offsets, result, records = commit_offsets(
        OffsetToCommit("t", 0, 1, metadata="ü" * METADATA_MAX),
        OffsetToCommit("t", 1, 2, metadata="x" * (METADATA_MAX + 1)),
    )
    assert result.refusals == [None, GroupRefusal.OFFSET_METADATA_TOO_LARGE]
    assert len(group_offsets) == len(records) == 1


def test_fetch_returns_partitions_in_the_order_of_the_request():
    group_offsets, _, _ = commit_offsets(OffsetToCommit("t", 0, 1), OffsetToCommit("t", 1, 2))
    response = group_offsets.fetch([TopicPartitions("u", [3]), TopicPartitions("t", [1, 5])])
    assert response.offsets == [
        CommittedOffset("u", 3),
        CommittedOffset("t", 1, 2),
        CommittedOffset("t", 5),
    ]
    assert response.offsets[0].offset == -1
    assert group_offsets.fetch([]).offsets == []


def test_delete_writes_one_tombstone():
    group_offsets, _, _ = commit_offsets(OffsetToCommit("t", 0, 1))
    effects = CoordinatorResult(NOW_MS)
    for _ in range(2):
        group_offsets.delete("t", 0, effects)
    group_offsets.delete("u", 0, effects)
    assert effects.records == [OffsetRecord("g", "t", 0, None)]
    assert not group_offsets


def test_delete_where_deletes_matching_offsets():
    group_offsets, _, _ = commit_offsets(
        OffsetToCommit("t", 0, 1), OffsetToCommit("t", 1, 2), OffsetToCommit("u", 0, 1)
    )
    effects = CoordinatorResult(NOW_MS)
    group_offsets.delete_where(lambda topic, partition, stored: stored.offset == 1, effects)
    assert effects.records == [OffsetRecord("g", "t", 0, None), OffsetRecord("g", "u", 0, None)]
    assert [offset.offset for offset in group_offsets.fetch(None).offsets] == [2]


def test_restored_table_is_fetched():
    group_offsets = GroupOffsets(
        "g", {"t": {4: StoredOffset(9, 1, "m", NOW_MS)}}, view_with_topic()
    )
    assert group_offsets
    assert group_offsets.fetch(None).offsets == [CommittedOffset("t", 4, 9, 1, "m")]


def restored_offsets(topic_id, current_id):
    """Restores an offset stored for `topic_id`; topic `t` now has the id `current_id`."""
    stored = StoredOffset(9, 1, "m", NOW_MS, -1, topic_id)
    return GroupOffsets("g", {"t": {0: stored}}, view_with_topic(current_id))


@pytest.mark.parametrize(
    ("stored", "requested", "current", "is_valid"),
    [
        (OLD_ID, b"", OLD_ID, True),
        (OLD_ID, b"", NEW_ID, False),
        (OLD_ID, NEW_ID, None, False),
        # The gateway knows the new topic before its coordinator does.
        (NEW_ID, NEW_ID, OLD_ID, True),
        (OLD_ID, b"", None, True),
        (b"", NEW_ID, NEW_ID, True),
    ],
)
def test_offset_is_valid_while_its_topic_has_the_same_id(stored, requested, current, is_valid):
    group_offsets = restored_offsets(stored, current)
    (offset,) = group_offsets.fetch([TopicPartitions("t", [0], requested)]).offsets
    assert offset == (CommittedOffset("t", 0, 9, 1, "m") if is_valid else CommittedOffset("t", 0))


@pytest.mark.parametrize(("current", "count"), [(OLD_ID, 1), (NEW_ID, 0), (None, 1)])
def test_fetch_of_all_topics_returns_valid_offsets(current, count):
    assert len(restored_offsets(OLD_ID, current).fetch(None).offsets) == count


def test_commit_for_a_former_topic_id_is_rejected():
    group_offsets, effects = restored_offsets(NEW_ID, NEW_ID), CoordinatorResult(NOW_MS)
    result = group_offsets.commit(
        [OffsetToCommit("t", 0, 1, topic_id=OLD_ID)], METADATA_MAX, effects
    )
    assert result.refusals == [GroupRefusal.UNKNOWN_TOPIC_OR_PARTITION]
    assert [offset.offset for offset in group_offsets.fetch(None).offsets] == [9]
    assert effects.records == []


def test_commit_by_name_has_the_id_of_the_topic():
    group_offsets, effects = restored_offsets(OLD_ID, NEW_ID), CoordinatorResult(NOW_MS)
    group_offsets.commit([OffsetToCommit("t", 0, 1)], METADATA_MAX, effects)
    assert effects.records[0].value.topic_id == NEW_ID
    assert [offset.offset for offset in group_offsets.fetch(None).offsets] == [1]


@pytest.mark.parametrize(
    ("offset", "stored"),
    [
        (OffsetToCommit("t", 0, 7, committed_at_ms=500), StoredOffset(7, -1, "", 500)),
        (OffsetToCommit("t", 0, 7, committed_at_ms=-500), StoredOffset(7, -1, "", NOW_MS)),
        (OffsetToCommit("t", 0, 7, 3, retention_ms=-1), StoredOffset(7, 3, "", NOW_MS, -1)),
        (OffsetToCommit("t", 0, 7, 3, retention_ms=9), StoredOffset(7, -1, "", NOW_MS, NOW_MS + 9)),
        # A retention that overflows 64 bits never expires, or has expired already.
        (
            OffsetToCommit("t", 0, 7, retention_ms=2**63 - 1),
            StoredOffset(7, -1, "", NOW_MS, 2**63 - 1),
        ),
        (OffsetToCommit("t", 0, 7, retention_ms=-(2**63)), StoredOffset(7, -1, "", NOW_MS, 0)),
        (
            OffsetToCommit("t", 0, 2**63 - 1, -1, "é" * 8),
            StoredOffset(2**63 - 1, -1, "é" * 8, NOW_MS),
        ),
    ],
)
def test_committed_offset_in_memory_equals_its_record(offset, stored):
    _, _, (record,) = commit_offsets(offset)
    assert record.value == stored
    assert decode(*encode(record)) == record


def test_roll_back_reverts_unconfirmed_changes():
    group_offsets, _, _ = commit_offsets(OffsetToCommit("t", 0, 1), OffsetToCommit("u", 0, 2))
    group_offsets.confirm()
    before, effects = (
        [(offset.topic, offset.offset) for offset in group_offsets.fetch(None).offsets],
        CoordinatorResult(NOW_MS),
    )
    group_offsets.commit(
        [OffsetToCommit("t", 0, 5), OffsetToCommit("v", 0, 6)], METADATA_MAX, effects
    )
    group_offsets.delete_where(lambda *_: True, effects)
    group_offsets.commit([OffsetToCommit("u", 1, 7)], METADATA_MAX, effects)
    group_offsets.roll_back()
    assert (
        sorted((offset.topic, offset.offset) for offset in group_offsets.fetch(None).offsets)
        == before
    )
    group_offsets.delete("t", 0, effects)
    group_offsets.confirm()
    group_offsets.roll_back()
    assert [offset.topic for offset in group_offsets.fetch(None).offsets] == ["u"]
