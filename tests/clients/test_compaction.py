"""A compacted topic as a real client reads it: the last values, at their original offsets."""

from tests.clients.adapters.confluent import ConfluentClient
from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import standalone
from tests.support.stores.compacted_logs import pairs_by_offset
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.records import Record

#: Small enough that the records of a test fill several generations.
SETTINGS = {"log_flush_bytes": str(1 << 20), "log_cleaner_backoff_ms": "10"}
CONFIGS = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0"}
KEYS = 50
INVALID_RECORD = 87


def make_records(version):
    return [Record(b"%d." % version * 5000, b"%d" % key) for key in range(KEYS)]


def test_a_client_reads_over_gaps_and_after_a_kill(tmp_path):
    with standalone(tmp_path, **SETTINGS) as broker, RawClient(broker.address) as raw:
        client = ConfluentClient()
        topic = raw.create_topic(configs=CONFIGS)
        versions = 8
        for version in range(versions):
            client.produce(
                broker.address, topic, make_records(version), codec="lz4", idempotent=True
            )
        # The active tail has other keys, and more records than a generation.
        tail = [Record(b"%08d" % number * 2000, b"t%d" % number) for number in range(300)]
        for start in range(0, len(tail), 100):
            client.produce(broker.address, topic, tail[start : start + 100])
        last = KEYS * versions + len(tail) - 1
        eventually(
            lambda: raw.fetch(topic, 0).offsets[0] >= KEYS * (versions - 1),
            what="compaction of the log",
        )
        reads = client.consume(broker.address, topic, count=KEYS + len(tail))
        assert client.bounds(broker.address, topic) == (0, last + 1)
        expected = dict(enumerate([*make_records(versions - 1), *tail], KEYS * (versions - 1)))
        assert {read.offset: read.record.value for read in reads} == {
            offset: record.value for offset, record in expected.items()
        }
        after_gap = client.consume(broker.address, topic, count=1, offset=KEYS)
        assert after_gap == reads[:1]
        broker.restart()
        assert client.consume(broker.address, topic, count=len(reads)) == reads


def test_policy_compact_and_delete_compacts_and_requires_keys(tmp_path):
    configs = {**CONFIGS, "cleanup.policy": "compact,delete", "segment.ms": "100"}
    with standalone(tmp_path, **SETTINGS) as broker, RawClient(broker.address) as raw:
        topic = raw.create_topic(configs=configs)
        keyless = record_batch([Record(b"1", b"a"), Record(b"2")])
        assert raw.produce(topic, keyless).error_code == INVALID_RECORD
        # Records of different ages begin new segments, so that the older ones are compacted.
        for number in range(3):
            batch = record_batch([Record(b"%d" % number, b"a", timestamp_ms=1000 * number)])
            assert raw.produce(topic, batch) == (0, number)
        expected = {1: (b"a", b"1"), 2: (b"a", b"2")}
        eventually(lambda: pairs_by_offset(raw.fetch_all(topic)) == expected, what="compaction")
