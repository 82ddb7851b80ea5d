"""SIGKILL at each step of compaction, while records come in.

The process kills itself at the step. Afterwards the log still has the last acknowledged record of
each key, tombstones included, at its offset; and the next process completes the compaction.
"""

import signal
from itertools import count

import pytest

from tests.support.clients.raw_client import LATEST, RawClient
from tests.support.processes.deployments import standalone
from tests.support.processes.failpoints import CLEANING
from tests.support.stores.compacted_logs import pairs_by_offset
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.records import Record

pytestmark = pytest.mark.slow

SETTINGS = {
    "log_cleaner_backoff_ms": "20",
    # Small generations, so that some end and their space is reclaimed.
    "log_flush_bytes": str(1 << 20),
}
CONFIGS = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0",
    "segment.bytes": str(1 << 20),
}
KEYS = 7
BATCHES_MAX = 2_000
PLACES = (*CLEANING, "reclaim.note")


def make_pairs(number):
    """Returns keys and values of three records; every tenth is a tombstone."""
    return [
        (b"%d" % (n % KEYS), None if n % 10 == 0 else b"%d." % n * 5000)
        for n in range(3 * number, 3 * number + 3)
    ]


def make_batch(pairs):
    return record_batch([Record(value, key) for key, value in pairs])


def produce_until_killed(raw, topic):
    """Returns the acknowledged records by offset, and those whose outcome is unknown."""
    acknowledged = {}
    for number in count():
        assert number < BATCHES_MAX, "no process was killed"
        pairs = make_pairs(number)
        try:
            produced = raw.produce(topic, make_batch(pairs))
        except OSError:
            return acknowledged, dict(enumerate(pairs, len(acknowledged)))
        assert produced == (0, len(acknowledged))
        acknowledged |= dict(enumerate(pairs, produced.base_offset))
    raise AssertionError


def last_offsets(pairs_by_offset):
    return {key: offset for offset, (key, _) in pairs_by_offset.items()}


@pytest.mark.parametrize("place", PLACES)
def test_a_kill_during_compaction_loses_no_last_record(place, tmp_path):
    with standalone(tmp_path, **SETTINGS) as broker:
        with RawClient(broker.address) as raw:
            topic = raw.create_topic(configs=CONFIGS)
        broker.kill("standalone")
        broker.start("standalone", failpoints=f"{place}=kill")
        broker.wait_until_ready()
        with RawClient(broker.address) as raw:
            acknowledged, unknown = produce_until_killed(raw, topic)
        assert broker.processes["standalone"].wait_for_exit() == -signal.SIGKILL
        assert broker.processes["standalone"].lines_with(f"failpoint {place}$")
        broker.start("standalone")
        broker.wait_until_ready()
        with RawClient(broker.address) as raw:
            end = raw.offset_at(topic, LATEST)
            sent = acknowledged if end == len(acknowledged) else acknowledged | unknown
            assert end == len(sent)
            assert_has_last_records(raw, topic, sent)
            # This record begins a segment, so that all records before it may be compacted.
            assert raw.produce(topic, make_batch([(b"tail", b"")])) == (0, end)
            sent[end] = (b"tail", b"")
            expected = {offset: sent[offset] for offset in last_offsets(sent).values()}
            eventually(lambda: pairs_by_offset(raw.fetch_all(topic)) == expected, what="compaction")
            assert raw.offset_at(topic, LATEST) == end + 1


def assert_has_last_records(raw, topic, sent):
    fetched = pairs_by_offset(raw.fetch_all(topic))
    assert fetched.items() <= sent.items()
    for key, offset in last_offsets(sent).items():
        assert fetched[offset] == sent[offset], (key, offset)
