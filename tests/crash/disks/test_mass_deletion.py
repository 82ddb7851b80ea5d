"""A topic of ten thousand partitions is deleted while a client writes to another one."""

import signal
import threading
from contextlib import contextmanager, suppress

import pytest

from tests.support.clients.raw_client import PRODUCE, RawClient
from tests.support.clients.steady_producer import SteadyProducer
from tests.support.processes.deployments import DEPLOYMENTS, standalone
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.kio_client import ask
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

NONE, UNKNOWN_TOPIC_OR_PARTITION = 0, 3
PARTITIONS = 10_000
#: Logs of one write; see `partition_svc/log/housekeeping.py`.
LOGS_PER_TURN = 50
REQUESTS = 10


def write_to_all(raw, topic):
    """One batch for each partition, in a few requests."""
    batch = record_batch(numbered(1))
    for first in range(REQUESTS):
        indexes = range(first, PARTITIONS, REQUESTS)
        data = [{"index": index, "records": batch} for index in indexes]
        topic_data = [{"name": topic, "partition_data": data}]
        values = {"transactional_id": None, "acks": -1, "timeout": 30_000, "topic_data": topic_data}
        (answer,) = ask(raw, PRODUCE, 9, values).responses
        assert {one.error_code for one in answer.partition_responses} == {NONE}


@contextmanager
def steady_producer(broker, raw):
    """An idempotent producer of a topic of its own; what was acknowledged is there in the end."""
    topic = raw.create_topic()
    identity = raw.init_producer_id()
    producer = SteadyProducer(lambda: broker.address, topic, 0, acks=-1, identity=identity)
    producer.start()
    try:
        yield producer
    finally:
        producer.stop()
    with RawClient(broker.address) as reader:
        producer.check(reader)


def deleted_line(count):
    return f"deleted {count} logs"


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_others_are_written_to_while_ten_thousand_partitions_are_deleted(deployment, tmp_path):
    with DEPLOYMENTS[deployment](tmp_path) as broker, RawClient(broker.address) as raw:
        topic = raw.create_topic(partitions=PARTITIONS)
        write_to_all(raw, topic)
        with steady_producer(broker, raw) as producer:
            eventually(lambda: producer.acknowledged, what="a first acknowledgement")
            before = len(producer.acknowledged)
            deleting = threading.Thread(target=raw.delete_topic, args=[topic])
            deleting.start()
            broker.storage.wait_for_line(deleted_line(PARTITIONS))
            assert len(producer.acknowledged) > before
            deleting.join()
        # No refusal, not even one that a client would repeat.
        assert not producer.refused
        offsets = [offset for offset, _ in producer.acknowledged]
        assert offsets == sorted(offsets)
        assert raw.produce(topic, record_batch(numbered(1))).error_code == (
            UNKNOWN_TOPIC_OR_PARTITION
        )
        broker.assert_running()


def test_a_kill_in_the_middle_leaves_the_rest_to_the_next_process(tmp_path):
    with standalone(tmp_path) as broker:
        broker.kill("standalone")
        # After the first write of many.
        broker.start("standalone", failpoints="delete.logs=kill")
        broker.wait_until_ready()
        with RawClient(broker.address) as raw:
            topic = raw.create_topic(partitions=PARTITIONS)
            write_to_all(raw, topic)
            with steady_producer(broker, raw) as producer:
                eventually(lambda: producer.acknowledged, what="a first acknowledgement")
                with suppress(OSError):
                    # The response may be there before the kill.
                    raw.delete_topic(topic)
                assert broker.storage.wait_for_exit() == -signal.SIGKILL
                broker.start("standalone")
                broker.wait_until_ready()
                broker.storage.wait_for_line(deleted_line(PARTITIONS - LOGS_PER_TURN))
