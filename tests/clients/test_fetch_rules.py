"""Guarantees of Apache Kafka for Fetch that client libraries do not show.

S-n are the rows of the checklist that the broker is built by; KIPs where there is one.
"""

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
    """The whole response. `topics` is a list of (topic or id, list of partition dicts)."""
    key = "topic" if version < 13 else "topic_id"
    asked = {
        "replica_id": -1,
        "max_wait": TEN_MINUTES_MS,
        "min_bytes": 1,
        "max_bytes": 50 << 20,
        "topics": [{key: topic, "partitions": partitions} for topic, partitions in topics],
        "forgotten_topics_data": [],
        **values,
    }
    return ask(raw, FETCH, version, asked)


def at(partition, offset, *, max_bytes=1 << 20, **values):
    return {
        "partition": partition,
        "fetch_offset": offset,
        "partition_max_bytes": max_bytes,
        **values,
    }


def counts(response):
    """Batches by partition."""
    return {
        partition.partition_index: len(split_batches(partition.records or b""))
        for partition in response.responses[0].partitions
    }


def error_of(response):
    return response.responses[0].partitions[0].error_code


@pytest.fixture
def filled(raw):
    """Three partitions with ten batches of 10 KB each."""
    topic = raw.create_topic(partitions=3)
    for partition in range(3):
        for _ in range(10):
            raw.produce(topic, BATCH, partition=partition, acks=1)
    return topic


def test_limits_hold_after_the_first_batch_in_the_order_of_the_request(raw, filled):
    """S-29, KIP-74: the first batch comes whole, whatever the limits are."""
    asked = [at(1, 0), at(0, 0), at(2, 0)]
    response = fetch(raw, [(filled, asked)], max_bytes=2 * len(BATCH) + 5)
    assert counts(response) == {1: 2, 0: 0, 2: 0}
    tiny = [at(2, 0, max_bytes=10), at(0, 0, max_bytes=10)]
    assert counts(fetch(raw, [(filled, tiny)])) == {2: 1, 0: 0}
    own = [at(2, 0, max_bytes=10), at(0, 10), at(1, 0, max_bytes=3 * len(BATCH))]
    assert counts(fetch(raw, [(filled, own)])) == {2: 1, 0: 0, 1: 3}
    assert counts(fetch(raw, [(filled, [at(0, 9), at(1, 8)])], max_bytes=1)) == {0: 1, 1: 0}


def test_min_bytes_above_max_bytes_does_not_wait_for_what_may_not_come(raw, filled):
    """S-32."""
    response = fetch(raw, [(filled, [at(0, 0)])], min_bytes=1 << 30, max_bytes=len(BATCH))
    assert counts(response) == {0: 1}


def test_one_bad_partition_ends_the_wait_of_all(raw, filled):
    """S-28."""
    response = fetch(raw, [(filled, [at(0, 10), at(7, 0)])])
    codes = {
        partition.partition_index: int(partition.error_code)
        for partition in response.responses[0].partitions
    }
    assert codes == {0: 0, 7: 3}


def test_the_same_partition_twice_is_answered_and_breaks_nothing(raw, filled):
    """S-39."""
    response = fetch(raw, [(filled, [at(0, 0), at(0, 5)])])
    assert response.error_code == 0
    assert counts(response)[0] > 0
    assert raw.fetch(filled, 0).error_code == 0


def test_leader_epochs_are_checked_where_they_are_given(raw, filled):
    """S-35, KIP-320."""
    epoch = raw.metadata(filled).topics[0].partitions[0].leader_epoch
    known = fetch(raw, [(filled, [at(0, 0, current_leader_epoch=epoch)])])
    assert counts(known) == {0: 10}
    newer = fetch(raw, [(filled, [at(0, 0, current_leader_epoch=epoch + 1)])])
    assert error_of(newer) == UNKNOWN_LEADER_EPOCH
    if epoch:
        older = fetch(raw, [(filled, [at(0, 0, current_leader_epoch=epoch - 1)])])
        assert error_of(older) == FENCED_LEADER_EPOCH


def test_a_session_is_never_begun_and_one_that_is_named_not_found(raw, filled):
    """S-36, KIP-227: an answer with session id 0 makes the client send full requests."""
    begun = fetch(raw, [(filled, [at(0, 0)])], session_id=0, session_epoch=0)
    assert (begun.error_code, begun.session_id, counts(begun)) == (0, 0, {0: 10})
    named = fetch(raw, [(filled, [at(0, 0)])], session_id=123, session_epoch=1)
    assert named.error_code == FETCH_SESSION_ID_NOT_FOUND


def test_a_topic_id_is_not_another_topics_of_the_same_name(raw, filled):
    """S-37, KIP-516."""
    first_id = raw.topic_id(filled)
    assert counts(fetch(raw, [(first_id, [at(0, 0)])], version=16)) == {0: 10}
    assert raw.delete_topic(filled) == 0
    raw.create_topic(name=filled)
    assert error_of(fetch(raw, [(first_id, [at(0, 0)])], version=16)) == UNKNOWN_TOPIC_ID
    assert error_of(fetch(raw, [(uuid.uuid4(), [at(0, 0)])], version=16)) == UNKNOWN_TOPIC_ID


@pytest.mark.parametrize(("version", "error_code"), [(4, 76), (9, 76), (10, 0), (12, 0)])
def test_zstd_batches_go_only_to_versions_that_know_zstd(version, error_code, raw, topic):
    """S-38, KIP-110."""
    raw.produce(topic, record_batch(numbered(1), codec="zstd"))
    response = fetch(raw, [(topic, [at(0, 0)])], version=version)
    assert error_of(response) == error_code


@pytest.mark.parametrize(("isolation_level", "aborted"), [(0, None), (1, ())])
def test_read_committed_fetches_list_aborted_transactions(isolation_level, aborted, raw, filled):
    """S-11, S-33: null and empty differ."""
    response = fetch(raw, [(filled, [at(0, 0)])], isolation_level=isolation_level)
    (partition,) = response.responses[0].partitions
    assert partition.aborted_transactions == aborted
    assert (partition.last_stable_offset, partition.preferred_read_replica) == (10, -1)


def test_an_empty_request_is_answered_at_once(raw):
    """S-28."""
    assert fetch(raw, []).responses == ()
