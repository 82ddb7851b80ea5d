"""Guarantees of Apache Kafka for Fetch that client libraries do not show."""

import uuid

import pytest

from tests.support.clients.long_poll import TEN_MINUTES_MS
from tests.support.clients.raw_client import FETCH
from tests.support.wire.batches import record_batch, split_batches
from tests.support.wire.kio_client import ask
from tests.support.wire.records import numbered

FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH = 74, 75
FETCH_SESSION_ID_NOT_FOUND, UNKNOWN_TOPIC_ID, UNSUPPORTED_COMPRESSION_TYPE = 70, 100, 76
BATCH = record_batch(numbered(1, size=10_000))


def fetch(raw, topics, *, version=12, **values):
    """Returns the response. `topics` has pairs of a topic or id and its partitions."""
    key = "topic" if version < 13 else "topic_id"
    request = {
        "replica_id": -1,
        "max_wait": TEN_MINUTES_MS,
        "min_bytes": 1,
        "max_bytes": 50 << 20,
        "topics": [{key: topic, "partitions": partitions} for topic, partitions in topics],
        "forgotten_topics_data": [],
        **values,
    }
    return ask(raw, FETCH, version, request)


def partition_at(partition, offset, *, max_bytes=1 << 20, **values):
    return {
        "partition": partition,
        "fetch_offset": offset,
        "partition_max_bytes": max_bytes,
        **values,
    }


def count_batches(response):
    """Returns the number of batches by partition."""
    return {
        partition.partition_index: len(split_batches(partition.records or b""))
        for partition in response.responses[0].partitions
    }


def error_code_of(response):
    return response.responses[0].partitions[0].error_code


@pytest.fixture
def filled_topic(raw):
    """Three partitions with ten batches of 10 KB each."""
    topic = raw.create_topic(partitions=3)
    for partition in range(3):
        for _ in range(10):
            raw.produce(topic, BATCH, partition=partition, acks=1)
    return topic


def test_byte_limits_apply_after_the_first_batch_in_request_order(raw, filled_topic):
    """The first batch is always returned completely (KIP-74)."""
    partitions = [partition_at(1, 0), partition_at(0, 0), partition_at(2, 0)]
    response = fetch(raw, [(filled_topic, partitions)], max_bytes=2 * len(BATCH) + 5)
    assert count_batches(response) == {1: 2, 0: 0, 2: 0}
    small_limits = [partition_at(2, 0, max_bytes=10), partition_at(0, 0, max_bytes=10)]
    assert count_batches(fetch(raw, [(filled_topic, small_limits)])) == {2: 1, 0: 0}
    different_limits = [
        partition_at(2, 0, max_bytes=10),
        partition_at(0, 10),
        partition_at(1, 0, max_bytes=3 * len(BATCH)),
    ]
    assert count_batches(fetch(raw, [(filled_topic, different_limits)])) == {2: 1, 0: 0, 1: 3}
    assert count_batches(
        fetch(raw, [(filled_topic, [partition_at(0, 9), partition_at(1, 8)])], max_bytes=1)
    ) == {0: 1, 1: 0}


def test_fetch_does_not_wait_when_min_bytes_exceeds_max_bytes(raw, filled_topic):
    response = fetch(
        raw, [(filled_topic, [partition_at(0, 0)])], min_bytes=1 << 30, max_bytes=len(BATCH)
    )
    assert count_batches(response) == {0: 1}


def test_one_unknown_partition_ends_the_wait_of_the_request(raw, filled_topic):
    response = fetch(raw, [(filled_topic, [partition_at(0, 10), partition_at(7, 0)])])
    codes = {
        partition.partition_index: int(partition.error_code)
        for partition in response.responses[0].partitions
    }
    assert codes == {0: 0, 7: 3}


def test_a_repeated_partition_is_answered_and_later_fetches_work(raw, filled_topic):
    response = fetch(raw, [(filled_topic, [partition_at(0, 0), partition_at(0, 5)])])
    assert response.error_code == 0
    assert count_batches(response)[0] > 0
    assert raw.fetch(filled_topic, 0).error_code == 0


def test_the_leader_epoch_of_a_request_is_checked(raw, filled_topic):
    """Leader epochs in requests are from KIP-320."""
    epoch = raw.metadata(filled_topic).topics[0].partitions[0].leader_epoch
    known = fetch(raw, [(filled_topic, [partition_at(0, 0, current_leader_epoch=epoch)])])
    assert count_batches(known) == {0: 10}
    newer = fetch(raw, [(filled_topic, [partition_at(0, 0, current_leader_epoch=epoch + 1)])])
    assert error_code_of(newer) == UNKNOWN_LEADER_EPOCH
    if epoch:
        older = fetch(raw, [(filled_topic, [partition_at(0, 0, current_leader_epoch=epoch - 1)])])
        assert error_code_of(older) == FENCED_LEADER_EPOCH


def test_fetch_sessions_are_not_created_and_not_found(raw, filled_topic):
    """A response with session id 0 makes the client send full requests (KIP-227)."""
    initial = fetch(raw, [(filled_topic, [partition_at(0, 0)])], session_id=0, session_epoch=0)
    assert (initial.error_code, initial.session_id, count_batches(initial)) == (0, 0, {0: 10})
    incremental = fetch(
        raw, [(filled_topic, [partition_at(0, 0)])], session_id=123, session_epoch=1
    )
    assert incremental.error_code == FETCH_SESSION_ID_NOT_FOUND


def test_a_topic_id_does_not_match_a_recreated_topic_of_the_same_name(raw, filled_topic):
    """Fetch has topic ids since version 13 (KIP-516)."""
    first_id = raw.topic_id(filled_topic)
    assert count_batches(fetch(raw, [(first_id, [partition_at(0, 0)])], version=16)) == {0: 10}
    assert raw.delete_topic(filled_topic) == 0
    raw.create_topic(name=filled_topic)
    assert (
        error_code_of(fetch(raw, [(first_id, [partition_at(0, 0)])], version=16))
        == UNKNOWN_TOPIC_ID
    )
    assert (
        error_code_of(fetch(raw, [(uuid.uuid4(), [partition_at(0, 0)])], version=16))
        == UNKNOWN_TOPIC_ID
    )


@pytest.mark.parametrize(("version", "error_code"), [(4, 76), (9, 76), (10, 0), (12, 0)])
def test_zstd_batches_are_returned_only_to_versions_with_zstd(version, error_code, raw, topic):
    """Fetch supports zstd since version 10 (KIP-110)."""
    raw.produce(topic, record_batch(numbered(1), codec="zstd"))
    response = fetch(raw, [(topic, [partition_at(0, 0)])], version=version)
    assert error_code_of(response) == error_code


@pytest.mark.parametrize(("isolation_level", "aborted"), [(0, None), (1, ())])
def test_read_committed_fetches_list_aborted_transactions(
    isolation_level, aborted, raw, filled_topic
):
    """Null and an empty list differ in the response."""
    response = fetch(raw, [(filled_topic, [partition_at(0, 0)])], isolation_level=isolation_level)
    (partition,) = response.responses[0].partitions
    assert partition.aborted_transactions == aborted
    assert (partition.last_stable_offset, partition.preferred_read_replica) == (10, -1)


def test_an_empty_request_is_answered_at_once(raw):
    assert fetch(raw, []).responses == ()
