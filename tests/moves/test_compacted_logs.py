"""Moves of a compacted log: records keep their offsets at each step of compaction.

A log is not compacted while it moves, because the copy could have a record without its tombstone.
"""

import pytest

from tests.support.clients.raw_client import EARLIEST, LATEST, RawClient
from tests.support.moves.partition_move import (
    SETTINGS,
    assert_only_owners_have_copies,
    restore_cluster,
)
from tests.support.processes.cluster import Cluster
from tests.support.processes.failpoints import ROUND, count_reached, wait_until_at
from tests.support.stores.compacted_logs import pairs_by_offset
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.records import Record

pytestmark = pytest.mark.slow

CONFIGS = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0",
    "segment.bytes": str(1 << 20),
}
KEYS = 7


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compacting")
    with Cluster(folder, partitions=2, log_cleaner_backoff_ms="200", **SETTINGS) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster):
    restore_cluster(shared_cluster)
    return shared_cluster


class CompactedLog:
    """A topic with one partition; `sent` has all appended records by offset."""

    def __init__(self, cluster, raw):
        self.topic = raw.create_topic(configs=CONFIGS)
        self.sent = {}
        self._cluster = cluster
        self._raw = raw

    @property
    def owner(self):
        return self._cluster.ring.topic(self.topic).partitions[0].owner

    @property
    def last_records(self):
        """Last record of each key, which remain after compaction."""
        last = {key: offset for offset, (key, _) in self.sent.items()}
        return {offset: self.sent[offset] for offset in last.values()}

    def append(self, *pairs):
        batch = record_batch([Record(value, key) for key, value in pairs])
        assert self._raw.produce(self.topic, batch) == (0, len(self.sent))
        self.sent |= dict(enumerate(pairs, len(self.sent)))

    def fill(self, mark):
        """Appends more than a segment of few keys; every tenth record is a tombstone."""
        for n in range(0, 120, 3):
            self.append(
                *(
                    (b"%d" % (m % KEYS), None if m % 10 == 0 else mark * 10_000)
                    for m in range(n, n + 3)
                )
            )

    def read(self):
        return pairs_by_offset(self._raw.fetch_all(self.topic))

    def end_segment(self):
        """Appends records of other keys in a new segment, so that all before may be compacted."""
        for number in range(2):
            self.append((b"end %d at %d" % (number, len(self.sent)), b"x" * 600_000))

    def wait_until_compacted(self):
        eventually(lambda: self.read() == self.last_records, what="compaction of the log")

    def assert_keeps_last_records(self):
        records = self.read()
        assert records.items() <= self.sent.items()
        assert self.last_records.items() <= records.items()
        bounds = [self._raw.offset_at(self.topic, spec) for spec in (EARLIEST, LATEST)]
        assert bounds == [0, len(self.sent)]


@pytest.fixture
def log(cluster):
    with RawClient(cluster.bootstrap) as raw:
        log = CompactedLog(cluster, raw)
        yield log
        assert raw.delete_topic(log.topic) == 0


def test_a_moved_compacted_log_keeps_its_records_and_is_compacted_further(cluster, log):
    for mark in (b"a", b"b"):
        log.fill(mark)
    log.end_segment()
    log.wait_until_compacted()
    for mark in (b"c", b"d"):
        # The second move brings the log back to a member that had it before.
        source = log.owner
        assert cluster.ring.drain(source) is None
        cluster.ring.wait_until_settled()
        assert log.owner != source
        assert log.read() == log.last_records
        assert_only_owners_have_copies(cluster, log.topic)
        assert cluster.ring.add(source) is None
        log.fill(mark)
        log.end_segment()
        log.wait_until_compacted()
        log.assert_keeps_last_records()


@pytest.mark.parametrize("place", ["clean.begin", "clean.replace", "clean.replaced", "clean.note"])
def test_a_move_that_begins_during_compaction_ends_it(place, cluster, log):
    source = log.owner
    process = cluster.processes[source]
    before = count_reached(process, place)
    with cluster.failpoints.held(place):
        log.fill(b"a")
        log.fill(b"b")
        wait_until_at(process, place, after=before)
        assert cluster.ring.drain(source) is None
        cluster.ring.wait_until_settled()
        assert log.owner != source
        log.assert_keeps_last_records()
    rounds = count_reached(process, ROUND)
    # The cleaner continues with other logs, and writes nothing more of this one.
    wait_until_at(process, ROUND, after=rounds)
    assert_only_owners_have_copies(cluster, log.topic)
    log.end_segment()
    log.wait_until_compacted()
    log.assert_keeps_last_records()
    cluster.assert_running()


@pytest.mark.parametrize("place", ["move.target.prepare", "move.target.catch-up"])
def test_no_compaction_begins_while_a_log_moves(place, cluster, log):
    source = log.owner
    (target,) = (member for member in cluster.members if member != source)
    process = cluster.processes[target]
    before = count_reached(process, place)
    with cluster.failpoints.held(place):
        assert cluster.ring.drain(source) is None
        wait_until_at(process, place, after=before)
        log.fill(b"a")
        log.fill(b"b")
        rounds = count_reached(cluster.processes[source], ROUND)
        # The first of these rounds may have begun before the last append.
        wait_until_at(cluster.processes[source], ROUND, after=rounds + 2)
        assert log.read() == log.sent
    cluster.ring.wait_until_settled()
    assert log.owner == target
    log.end_segment()
    log.wait_until_compacted()
    log.assert_keeps_last_records()
