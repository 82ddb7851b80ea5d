"""Guarantees of Apache Kafka for ListOffsets, Metadata and Produce that no client shows.

S-n are the rows of the checklist that the broker is built by; KIPs where there is one.
"""

import uuid

import pytest

from tests.support.clients.raw_client import LIST_OFFSETS, METADATA, PRODUCE
from tests.support.wire.batches import record_batch
from tests.support.wire.kio_client import ask
from tests.support.wire.records import Record, numbered

INVALID_REQUEST, UNSUPPORTED_VERSION, UNKNOWN_TOPIC_ID = 42, 35, 100
NOW_MS = 1_700_000_000_000
MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED = -3, -4, -5


def list_offsets(raw, topic, *timestamps, version=7, **values):
    """The answered partitions, one for each timestamp asked of partition 0."""
    asked = [{"partition_index": 0, "timestamp": one, **values} for one in timestamps]
    topics = [{"name": topic, "partitions": asked}]
    request = {"replica_id": -1, "isolation_level": 0, "topics": topics, "timeout": 30_000}
    return ask(raw, LIST_OFFSETS, version, request).topics[0].partitions


def answers(partitions):
    return [
        (int(partition.error_code), partition.offset, partition.timestamp)
        for partition in partitions
    ]


@pytest.fixture
def timed(raw, topic):
    """Two batches; the largest time is in the middle of the first."""
    for times in ((0, 900, 100), (500, 600)):
        records = [Record(b"x", timestamp_ms=NOW_MS + one) for one in times]
        raw.produce(topic, record_batch(records, base_timestamp_ms=NOW_MS))
    return topic


@pytest.mark.parametrize(
    ("timestamp", "version", "answer"),
    [
        pytest.param(NOW_MS + 550, 7, (0, 1, NOW_MS + 900), id="first that is not older"),
        pytest.param(NOW_MS + 900, 1, (0, 1, NOW_MS + 900), id="exactly"),
        pytest.param(NOW_MS + 901, 7, (0, -1, -1), id="none"),
        pytest.param(0, 7, (0, 0, NOW_MS), id="the beginning of time"),
        pytest.param(-1, 7, (0, 5, -1), id="latest"),
        pytest.param(-2, 7, (0, 0, -1), id="earliest"),
        pytest.param(MAX_TIMESTAMP, 7, (0, 1, NOW_MS + 900), id="largest time"),
        pytest.param(MAX_TIMESTAMP, 6, (UNSUPPORTED_VERSION, -1, -1), id="-3 before version 7"),
        pytest.param(EARLIEST_LOCAL, 8, (0, 0, -1), id="earliest local"),
        pytest.param(EARLIEST_LOCAL, 7, (UNSUPPORTED_VERSION, -1, -1), id="-4 before version 8"),
        pytest.param(LATEST_TIERED, 9, (0, -1, -1), id="latest tiered"),
        pytest.param(LATEST_TIERED, 8, (UNSUPPORTED_VERSION, -1, -1), id="-5 before version 9"),
        pytest.param(-7, 11, (UNSUPPORTED_VERSION, -1, -1), id="-7"),
    ],
)
def test_offsets_by_time_and_by_special_times(timestamp, version, answer, raw, timed):
    """S-40 to S-42, KIP-734, KIP-1005."""
    assert answers(list_offsets(raw, timed, timestamp, version=version)) == [answer]


def test_nothing_has_a_time_in_an_empty_log(raw, topic):
    for timestamp in (NOW_MS, MAX_TIMESTAMP):
        assert answers(list_offsets(raw, topic, timestamp)) == [(0, -1, -1)]


def test_a_repeated_partition_is_an_invalid_request(raw, timed):
    """S-41."""
    codes = {int(one.error_code) for one in list_offsets(raw, timed, -1, -2)}
    assert codes == {INVALID_REQUEST}


def test_responses_carry_leader_epochs_and_requests_are_checked_by_them(raw, timed):
    """S-43, KIP-320."""
    epoch = raw.metadata(timed).topics[0].partitions[0].leader_epoch
    (found,) = list_offsets(raw, timed, NOW_MS)
    assert found.leader_epoch == epoch
    (none,) = list_offsets(raw, timed, NOW_MS + 901)
    assert none.leader_epoch == -1
    (newer,) = list_offsets(raw, timed, -1, current_leader_epoch=epoch + 1)
    assert newer.error_code == 75


def metadata(raw, version, topics):
    values = {"topics": topics, "allow_auto_topic_creation": False}
    values |= {"include_cluster_authorized_operations": False}
    values |= {"include_topic_authorized_operations": False}
    return ask(raw, METADATA, version, values).topics


def test_an_empty_topic_list_and_a_null_list_differ(raw, topic):
    """S-10, S-48: an empty list meant all in version 0 only."""
    assert topic in {one.name for one in metadata(raw, 0, [])}
    for version in (1, 8, 9, 13):
        assert metadata(raw, version, []) == ()
        assert topic in {one.name for one in metadata(raw, version, None)}


def test_topics_are_found_by_their_ids(raw, topic):
    """S-50, KIP-516."""
    topic_id = raw.topic_id(topic)
    (found,) = metadata(raw, 12, [{"topic_id": topic_id, "name": None}])
    assert (found.error_code, found.name, found.topic_id) == (0, topic, topic_id)
    (none,) = metadata(raw, 12, [{"topic_id": uuid.uuid4(), "name": None}])
    assert (none.error_code, none.name) == (UNKNOWN_TOPIC_ID, None)


def test_producing_by_an_unknown_id_is_refused(raw):
    """S-27."""
    data = {"index": 0, "records": record_batch(numbered(1))}
    topics = [{"topic_id": uuid.uuid4(), "partition_data": [data]}]
    values = {"transactional_id": None, "acks": -1, "timeout": 30_000, "topic_data": topics}
    (answered,) = ask(raw, PRODUCE, 13, values).responses
    assert answered.partition_responses[0].error_code == UNKNOWN_TOPIC_ID


@pytest.mark.parametrize(("version", "error_code"), [(3, 76), (6, 76), (7, 0)])
def test_zstd_batches_are_accepted_from_new_produce_versions(version, error_code, raw, topic):
    """S-15, KIP-110."""
    data = {"index": 0, "records": record_batch(numbered(1), codec="zstd")}
    topics = [{"name": topic, "partition_data": [data]}]
    values = {"transactional_id": None, "acks": -1, "timeout": 30_000, "topic_data": topics}
    (answered,) = ask(raw, PRODUCE, version, values).responses
    assert answered.partition_responses[0].error_code == error_code
