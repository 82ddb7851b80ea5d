"""Loss of power: the broker is killed, and every file loses what was not synced.

The environment variable ROUNDS is the number of rounds, SEED the seed of their random choices.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random

import pytest

from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import standalone
from tests.support.stores.faulty_disk import FaultyDisk
from tests.support.stores.power_loss import cut
from tests.support.waiting import eventually
from tests.support.wire.batches import batch_values, record_batch
from tests.support.wire.records import Record

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SEED = int(os.environ.get("SEED", "1"))
PRODUCERS = 4
#: Small generations, so that files are created and removed many times in a round.
SETTINGS = {"log_flush_bytes": str(1 << 20)}


class Producer:
    """Appends to a topic with acks=all until the broker is killed; records acknowledged batches."""

    def __init__(self, topic, seed):
        self.topic = topic
        self.acknowledged = []
        self._rng = Random(seed)

    def run(self, address):
        with suppress(ConnectionError), RawClient(address) as raw:
            while True:
                value = self._rng.randbytes(self._rng.choice([10, 1000, 60_000]))
                produced = raw.produce(self.topic, record_batch([Record(value)]))
                if produced.error_code == 0:
                    self.acknowledged.append((produced.base_offset, value))


def fetch_values(raw, topic):
    """Returns the value of each record by offset."""
    return {
        int.from_bytes(batch[:8], "big"): batch_values([batch])[0] for batch in raw.fetch_all(topic)
    }


def run_until_killed(broker, producers, rng):
    """Produces, creates and deletes topics, and kills the broker; returns both sets of topics."""
    created, deleted = set(), set()
    count = sum(len(producer.acknowledged) for producer in producers) + rng.randint(50, 400)
    with ThreadPoolExecutor(PRODUCERS) as threads, RawClient(broker.address) as raw:
        for producer in producers:
            threads.submit(producer.run, broker.address)
        for _ in range(rng.randint(1, 4)):
            topic = raw.create_topic()
            assert raw.produce(topic, record_batch([Record(b"x" * 100_000)])).error_code == 0
            created.add(topic)
            if rng.random() < 0.5:
                assert raw.delete_topic(topic) == 0
                created.remove(topic)
                deleted.add(topic)
        eventually(
            lambda: sum(len(producer.acknowledged) for producer in producers) > count, what="load"
        )
        broker.kill()
    return created, deleted


def test_no_acknowledged_record_or_topic_is_lost_with_the_power(tmp_path):
    rng = Random(SEED)
    disk = FaultyDisk(tmp_path / "data", tmp_path / "faults")
    broker = standalone(tmp_path, **SETTINGS)
    broker.environment = disk.journaling_environment
    lost = 0
    with broker:
        with RawClient(broker.address) as raw:
            producers = [Producer(raw.create_topic(), number) for number in range(PRODUCERS)]
        for number in range(ROUNDS):
            created, deleted = run_until_killed(broker, producers, rng)
            lost += cut(disk, rng)
            broker.start("standalone")
            broker.wait_until_ready()
            # The start must not report damage of its own store either.
            assert not broker.storage.lines_with("CRITICAL"), broker.tail
            with RawClient(broker.address) as raw:
                topics = {topic.name for topic in raw.metadata().topics}
                assert created <= topics, number
                assert not deleted & topics, number
                for producer in producers:
                    fetched = fetch_values(raw, producer.topic)
                    missing = [
                        offset
                        for offset, value in producer.acknowledged
                        if fetched.get(offset) != value
                    ]
                    assert not missing, (number, producer.topic, missing[:10])
    assert lost, "no data was cut off, so the test has shown nothing"
