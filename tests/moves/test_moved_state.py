"""State that moves with a log: offsets, times, sequences and leader epochs."""

import pytest

from tests.support.clients.raw_client import EARLIEST, LATEST, RawClient
from tests.support.moves.partition_move import assert_only_owners_have_copies
from tests.support.wire.batches import record_batch
from tests.support.wire.kio_client import ask
from tests.support.wire.records import Record

pytestmark = pytest.mark.slow

OFFSET_FOR_LEADER_EPOCH = 23
BATCHES = 20
START_MS = 1_700_000_000_000
OUT_OF_ORDER_SEQUENCE = 45


@pytest.fixture
def raw(cluster):
    with RawClient(cluster.bootstrap) as client:
        yield client


def batch_of(producer, number):
    """Three records, a second apart, with the producer's next sequences."""
    records = [
        Record(b"%d" % (3 * number + n), timestamp_ms=START_MS + 1000 * (3 * number + n))
        for n in range(3)
    ]
    return record_batch(records, producer=(*producer, 3 * number))


def read_log_state(raw, topic):
    """Responses of the log to clients, except its current leader epoch."""
    return {
        "batches": [batch[16:] for batch in raw.fetch_all(topic)],
        "epochs": [batch[12:16] for batch in raw.fetch_all(topic)],
        "bounds": (raw.offset_at(topic, EARLIEST), raw.offset_at(topic, LATEST)),
        "times": [raw.offset_at(topic, START_MS + 1000 * n) for n in range(0, 3 * BATCHES, 7)],
        "max timestamp": raw.offset_at(topic, -3),
    }


def end_of_epoch(raw, topic, epoch):
    """Returns the largest leader epoch up to `epoch`, and its end offset."""
    query = {"partition": 0, "current_leader_epoch": -1, "leader_epoch": epoch}
    values = {"replica_id": -1, "topics": [{"topic": topic, "partitions": [query]}]}
    (response,) = ask(raw, OFFSET_FOR_LEADER_EPOCH, 4, values).topics
    result = response.partitions[0]
    assert result.error_code == 0, result.error_code
    return result.leader_epoch, result.end_offset


def move_partition(cluster, topic):
    """Moves partition 0 to the other member; returns the leader epochs before and after."""
    before = cluster.ring.topic(topic).partitions[0]
    assert cluster.ring.drain(before.owner) is None
    cluster.ring.wait_until_settled()
    after = cluster.ring.topic(topic).partitions[0]
    assert after.owner != before.owner
    assert cluster.ring.add(before.owner) is None
    return before.leader_epoch, after.leader_epoch


def test_offsets_times_sequences_and_epochs_move_with_the_records(cluster, raw):
    topic, producer = raw.create_topic(), raw.init_producer_id()
    for number in range(BATCHES):
        assert raw.produce(topic, batch_of(producer, number)) == (0, 3 * number)
    before = read_log_state(raw, topic)

    old, new = move_partition(cluster, topic)
    assert read_log_state(raw, topic) == before
    assert end_of_epoch(raw, topic, old) == (old, 3 * BATCHES)
    # A duplicate is recognised; a gap is refused; the next sequence is accepted.
    assert raw.produce(topic, batch_of(producer, BATCHES - 1)) == (0, 3 * (BATCHES - 1))
    gap = raw.produce(topic, batch_of(producer, BATCHES + 1))
    assert gap.error_code == OUT_OF_ORDER_SEQUENCE
    assert raw.produce(topic, batch_of(producer, BATCHES)) == (0, 3 * BATCHES)
    assert end_of_epoch(raw, topic, new) == (new, 3 * BATCHES + 3)

    # Move it back, to a member that had it before.
    before = read_log_state(raw, topic)
    move_partition(cluster, topic)
    assert read_log_state(raw, topic) == before
    assert end_of_epoch(raw, topic, old) == (old, 3 * BATCHES)
    assert raw.produce(topic, batch_of(producer, BATCHES)) == (0, 3 * BATCHES)
    assert_only_owners_have_copies(cluster, topic)
    assert raw.delete_topic(topic) == 0


def test_an_empty_log_moves_too(cluster, raw):
    topic = raw.create_topic()
    move_partition(cluster, topic)
    assert read_log_state(raw, topic)["bounds"] == (0, 0)
    assert raw.produce(topic, batch_of(raw.init_producer_id(), 0)) == (0, 0)
    assert raw.delete_topic(topic) == 0


def test_a_log_larger_than_a_chunk_and_a_memtable_moves_completely(cluster, raw):
    """Thirty batches of a megabyte, over several generations of the store."""
    topic = raw.create_topic()
    sent = [record_batch([Record(bytes([number]) * 1_000_000)]) for number in range(30)]
    for number, batch in enumerate(sent):
        assert raw.produce(topic, batch, acks=1) == (0, number)
    move_partition(cluster, topic)
    assert [batch[16:] for batch in raw.fetch_all(topic)] == [batch[16:] for batch in sent]
    assert raw.delete_topic(topic) == 0
