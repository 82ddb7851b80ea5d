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


def view(topic_id=None):
    """With a topic t of this id."""
    topics = [] if topic_id is None else [Topic(topic_id, "t", (Placement("m", 0),))]
    known = ClusterView()
    known.apply(ClusterChange(1, "cluster", is_snapshot=True, topics=topics))
    return known


def committed(*offsets):
    kept, effects = GroupOffsets("g", {}, view()), CoordinatorResult(NOW_MS)
    result = kept.commit(offsets, METADATA_MAX, effects)
    return kept, result, effects.records


def test_committed_offset_is_fetched_with_its_fields():
    kept, result, _ = committed(OffsetToCommit("t", 1, 7, 3, "meta"))
    assert result.refusals == [None]
    assert kept.fetch(None).offsets == [CommittedOffset("t", 1, 7, 3, "meta")]


def test_each_committed_offset_is_a_record():
    _, _, records = committed(
        OffsetToCommit("t", 1, 7, 3, "meta", bytes(16), -1), OffsetToCommit("u", 0, 8)
    )
    assert records == [
        OffsetRecord("g", "t", 1, StoredOffset(7, 3, "meta", NOW_MS, -1, bytes(16))),
        OffsetRecord("g", "u", 0, StoredOffset(8, -1, "", NOW_MS, -1, b"")),
    ]


def test_last_commit_holds_even_if_it_is_lower():
    kept, _, _ = committed(OffsetToCommit("t", 0, 7), OffsetToCommit("t", 0, 5))
    assert [one.offset for one in kept.fetch(None).offsets] == [5]
    assert len(kept) == 1


def test_too_long_metadata_rejects_only_its_offset():
    kept, result, records = committed(
        OffsetToCommit("t", 0, 1, metadata="ü" * METADATA_MAX),
        OffsetToCommit("t", 1, 2, metadata="x" * (METADATA_MAX + 1)),
    )
    assert result.refusals == [None, GroupRefusal.OFFSET_METADATA_TOO_LARGE]
    assert len(kept) == len(records) == 1


def test_fetch_returns_partitions_in_the_order_of_the_request():
    kept, _, _ = committed(OffsetToCommit("t", 0, 1), OffsetToCommit("t", 1, 2))
    fetched = kept.fetch([TopicPartitions("u", [3]), TopicPartitions("t", [1, 5])])
    assert fetched.offsets == [
        CommittedOffset("u", 3),
        CommittedOffset("t", 1, 2),
        CommittedOffset("t", 5),
    ]
    assert fetched.offsets[0].offset == -1
    assert kept.fetch([]).offsets == []


def test_delete_writes_one_tombstone():
    kept, _, _ = committed(OffsetToCommit("t", 0, 1))
    effects = CoordinatorResult(NOW_MS)
    for _ in range(2):
        kept.delete("t", 0, effects)
    kept.delete("u", 0, effects)
    assert effects.records == [OffsetRecord("g", "t", 0, None)]
    assert not kept


def test_delete_where_deletes_matching_offsets():
    kept, _, _ = committed(
        OffsetToCommit("t", 0, 1), OffsetToCommit("t", 1, 2), OffsetToCommit("u", 0, 1)
    )
    effects = CoordinatorResult(NOW_MS)
    kept.delete_where(lambda topic, partition, stored: stored.offset == 1, effects)
    assert effects.records == [OffsetRecord("g", "t", 0, None), OffsetRecord("g", "u", 0, None)]
    assert [one.offset for one in kept.fetch(None).offsets] == [2]


def test_restored_table_is_fetched():
    kept = GroupOffsets("g", {"t": {4: StoredOffset(9, 1, "m", NOW_MS)}}, view())
    assert kept
    assert kept.fetch(None).offsets == [CommittedOffset("t", 4, 9, 1, "m")]


def kept_of(topic_id, now_id):
    stored = StoredOffset(9, 1, "m", NOW_MS, -1, topic_id)
    return GroupOffsets("g", {"t": {0: stored}}, view(now_id))


@pytest.mark.parametrize(
    ("stored", "asked", "now", "counts"),
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
def test_offset_is_valid_while_its_topic_has_the_same_id(stored, asked, now, counts):
    kept = kept_of(stored, now)
    (found,) = kept.fetch([TopicPartitions("t", [0], asked)]).offsets
    assert found == (CommittedOffset("t", 0, 9, 1, "m") if counts else CommittedOffset("t", 0))


@pytest.mark.parametrize(("now", "count"), [(OLD_ID, 1), (NEW_ID, 0), (None, 1)])
def test_fetch_of_all_topics_returns_valid_offsets(now, count):
    assert len(kept_of(OLD_ID, now).fetch(None).offsets) == count


def test_commit_for_a_former_topic_id_is_rejected():
    kept, effects = kept_of(NEW_ID, NEW_ID), CoordinatorResult(NOW_MS)
    result = kept.commit([OffsetToCommit("t", 0, 1, topic_id=OLD_ID)], METADATA_MAX, effects)
    assert result.refusals == [GroupRefusal.UNKNOWN_TOPIC_OR_PARTITION]
    assert [one.offset for one in kept.fetch(None).offsets] == [9]
    assert effects.records == []


def test_commit_by_name_has_the_id_of_the_topic():
    kept, effects = kept_of(OLD_ID, NEW_ID), CoordinatorResult(NOW_MS)
    kept.commit([OffsetToCommit("t", 0, 1)], METADATA_MAX, effects)
    assert effects.records[0].value.topic_id == NEW_ID
    assert [one.offset for one in kept.fetch(None).offsets] == [1]


@pytest.mark.parametrize(
    ("one", "stored"),
    [
        (OffsetToCommit("t", 0, 7, committed_at_ms=500), StoredOffset(7, -1, "", 500)),
        (OffsetToCommit("t", 0, 7, committed_at_ms=-500), StoredOffset(7, -1, "", NOW_MS)),
        (OffsetToCommit("t", 0, 7, 3, retention_ms=-1), StoredOffset(7, 3, "", NOW_MS, -1)),
        (OffsetToCommit("t", 0, 7, 3, retention_ms=9), StoredOffset(7, -1, "", NOW_MS, NOW_MS + 9)),
        # What does not fit into 64 bits lasts for ever, or not at all.
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
def test_memory_equals_the_log(one, stored):
    _, _, (record,) = committed(one)
    assert record.value == stored
    assert decode(*encode(record)) == record


def test_roll_back_reverts_unconfirmed_changes():
    kept, _, _ = committed(OffsetToCommit("t", 0, 1), OffsetToCommit("u", 0, 2))
    kept.confirm()
    before, effects = (
        [(one.topic, one.offset) for one in kept.fetch(None).offsets],
        CoordinatorResult(NOW_MS),
    )
    kept.commit([OffsetToCommit("t", 0, 5), OffsetToCommit("v", 0, 6)], METADATA_MAX, effects)
    kept.delete_where(lambda *_: True, effects)
    kept.commit([OffsetToCommit("u", 1, 7)], METADATA_MAX, effects)
    kept.roll_back()
    assert sorted((one.topic, one.offset) for one in kept.fetch(None).offsets) == before
    kept.delete("t", 0, effects)
    kept.confirm()
    kept.roll_back()
    assert [one.topic for one in kept.fetch(None).offsets] == ["u"]
