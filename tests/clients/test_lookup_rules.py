"""Guarantees of Apache Kafka for ListOffsets, Metadata and Produce that no client shows."""

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
    """Looks up `timestamps` in partition 0; returns a partition of the response for each."""
    partitions = [
        {"partition_index": 0, "timestamp": timestamp, **values} for timestamp in timestamps
    ]
    topics = [{"name": topic, "partitions": partitions}]
    request = {"replica_id": -1, "isolation_level": 0, "topics": topics, "timeout": 30_000}
    return ask(raw, LIST_OFFSETS, version, request).topics[0].partitions


def offsets_of(partitions):
    """Returns error code, offset and timestamp of each partition."""
    return [
        (int(partition.error_code), partition.offset, partition.timestamp)
        for partition in partitions
    ]


@pytest.fixture
def topic_with_times(raw, topic):
    """A topic with two batches; the largest timestamp is in the middle of the first."""
    for times in ((0, 900, 100), (500, 600)):
        records = [Record(b"x", timestamp_ms=NOW_MS + time) for time in times]
        raw.produce(topic, record_batch(records, base_timestamp_ms=NOW_MS))
    return topic


@pytest.mark.parametrize(
    ("timestamp", "version", "expected"),
    [
        pytest.param(NOW_MS + 550, 7, (0, 1, NOW_MS + 900), id="first that is not older"),
        pytest.param(NOW_MS + 900, 1, (0, 1, NOW_MS + 900), id="exactly"),
        pytest.param(NOW_MS + 901, 7, (0, -1, -1), id="none"),
        pytest.param(0, 7, (0, 0, NOW_MS), id="time 0"),
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
def test_list_offsets_finds_timestamps_and_special_timestamps(
    timestamp, version, expected, raw, topic_with_times
):
    """The special timestamps are from KIP-734 and KIP-1005."""
    assert offsets_of(list_offsets(raw, topic_with_times, timestamp, version=version)) == [expected]


def test_list_offsets_finds_no_timestamp_in_an_empty_log(raw, topic):
    for timestamp in (NOW_MS, MAX_TIMESTAMP):
        assert offsets_of(list_offsets(raw, topic, timestamp)) == [(0, -1, -1)]


def test_a_repeated_partition_is_an_invalid_request(raw, topic_with_times):
    codes = {int(partition.error_code) for partition in list_offsets(raw, topic_with_times, -1, -2)}
    assert codes == {INVALID_REQUEST}


def test_list_offsets_returns_leader_epochs_and_checks_those_of_requests(raw, topic_with_times):
    """Leader epochs are from KIP-320."""
    epoch = raw.metadata(topic_with_times).topics[0].partitions[0].leader_epoch
    (found,) = list_offsets(raw, topic_with_times, NOW_MS)
    assert found.leader_epoch == epoch
    (none,) = list_offsets(raw, topic_with_times, NOW_MS + 901)
    assert none.leader_epoch == -1
    (newer,) = list_offsets(raw, topic_with_times, -1, current_leader_epoch=epoch + 1)
    assert newer.error_code == 75


def fetch_metadata(raw, version, topics):
    values = {"topics": topics, "allow_auto_topic_creation": False}
    values |= {"include_cluster_authorized_operations": False}
    values |= {"include_topic_authorized_operations": False}
    return ask(raw, METADATA, version, values).topics


def test_an_empty_topic_list_and_a_null_list_differ(raw, topic):
    """An empty list means all topics in version 0 only."""
    assert topic in {listed.name for listed in fetch_metadata(raw, 0, [])}
    for version in (1, 8, 9, 13):
        assert fetch_metadata(raw, version, []) == ()
        assert topic in {listed.name for listed in fetch_metadata(raw, version, None)}


def test_topics_are_found_by_their_ids(raw, topic):
    """Metadata finds topics by id since version 12 (KIP-516)."""
    topic_id = raw.topic_id(topic)
    (found,) = fetch_metadata(raw, 12, [{"topic_id": topic_id, "name": None}])
    assert (found.error_code, found.name, found.topic_id) == (0, topic, topic_id)
    (none,) = fetch_metadata(raw, 12, [{"topic_id": uuid.uuid4(), "name": None}])
    assert (none.error_code, none.name) == (UNKNOWN_TOPIC_ID, None)


def test_producing_by_an_unknown_id_is_refused(raw):
    data = {"index": 0, "records": record_batch(numbered(1))}
    topics = [{"topic_id": uuid.uuid4(), "partition_data": [data]}]
    values = {"transactional_id": None, "acks": -1, "timeout": 30_000, "topic_data": topics}
    (response,) = ask(raw, PRODUCE, 13, values).responses
    assert response.partition_responses[0].error_code == UNKNOWN_TOPIC_ID


@pytest.mark.parametrize(("version", "error_code"), [(3, 76), (6, 76), (7, 0)])
def test_zstd_batches_are_accepted_from_new_produce_versions(version, error_code, raw, topic):
    """Produce supports zstd since version 7 (KIP-110)."""
    data = {"index": 0, "records": record_batch(numbered(1), codec="zstd")}
    topics = [{"name": topic, "partition_data": [data]}]
    values = {"transactional_id": None, "acks": -1, "timeout": 30_000, "topic_data": topics}
    (response,) = ask(raw, PRODUCE, version, values).responses
    assert response.partition_responses[0].error_code == error_code
