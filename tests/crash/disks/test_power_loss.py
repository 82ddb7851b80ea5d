"""Loss of power: the broker is killed, and every file goes back to what was synced of it.

ROUNDS says how often, SEED what happens in them.
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
#: So that generations end, and files are made and removed, many times a round.
SETTINGS = {"log_flush_bytes": str(1 << 20)}


class Producer:
    """Appends to a topic with acks=all until the broker is gone; knows what was acknowledged."""

    def __init__(self, topic, seed):
        self.topic = topic
        self.acknowledged = []
        self._rng = Random(seed)

    def run(self, address):
        with suppress(ConnectionError), RawClient(address) as raw:
            while True:
                value = self._rng.randbytes(self._rng.choice([10, 1000, 60_000]))
                answer = raw.produce(self.topic, record_batch([Record(value)]))
                if answer.error_code == 0:
                    self.acknowledged.append((answer.base_offset, value))


def stored(raw, topic):
    return {
        int.from_bytes(batch[:8], "big"): batch_values([batch])[0] for batch in raw.fetch_all(topic)
    }


def one_round(broker, producers, rng):
    """Produces, and makes and deletes topics, for a while; returns the topics made and deleted."""
    made, deleted = set(), set()
    aim = sum(len(producer.acknowledged) for producer in producers) + rng.randint(50, 400)
    with ThreadPoolExecutor(PRODUCERS) as threads, RawClient(broker.address) as raw:
        for one in producers:
            threads.submit(one.run, broker.address)
        for _ in range(rng.randint(1, 4)):
            topic = raw.create_topic()
            assert raw.produce(topic, record_batch([Record(b"x" * 100_000)])).error_code == 0
            made.add(topic)
            if rng.random() < 0.5:
                assert raw.delete_topic(topic) == 0
                made.remove(topic)
                deleted.add(topic)
        eventually(
            lambda: sum(len(producer.acknowledged) for producer in producers) > aim, what="load"
        )
        broker.kill()
    return made, deleted


def test_nothing_acknowledged_is_lost_with_the_power(tmp_path):
    rng = Random(SEED)
    disk = FaultyDisk(tmp_path / "data", tmp_path / "faults")
    broker = standalone(tmp_path, **SETTINGS)
    broker.environment = disk.journaling_environment
    lost = 0
    with broker:
        with RawClient(broker.address) as raw:
            producers = [Producer(raw.create_topic(), number) for number in range(PRODUCERS)]
        for number in range(ROUNDS):
            made, deleted = one_round(broker, producers, rng)
            lost += cut(disk, rng)
            broker.start("standalone")
            broker.wait_until_ready()
            # Nor does a start say so of its own store.
            assert not broker.storage.lines_with("CRITICAL"), broker.tail
            with RawClient(broker.address) as raw:
                topics = {topic.name for topic in raw.metadata().topics}
                assert made <= topics, number
                assert not deleted & topics, number
                for producer in producers:
                    found = stored(raw, producer.topic)
                    missing = [
                        offset
                        for offset, value in producer.acknowledged
                        if found.get(offset) != value
                    ]
                    assert not missing, (number, producer.topic, missing[:10])
    assert lost, "nothing was cut off: the test showed nothing"
