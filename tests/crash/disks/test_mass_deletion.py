"""Deletion of a topic with ten thousand partitions while a client appends to another topic."""

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
#: Logs that one write deletes; see `partition_svc/log/housekeeping.py`.
LOGS_PER_WRITE = 50
REQUESTS = 10


def append_to_all_partitions(raw, topic):
    """Appends a batch to each partition, in a few requests."""
    batch = record_batch(numbered(1))
    for first in range(REQUESTS):
        indexes = range(first, PARTITIONS, REQUESTS)
        data = [{"index": index, "records": batch} for index in indexes]
        topic_data = [{"name": topic, "partition_data": data}]
        values = {"transactional_id": None, "acks": -1, "timeout": 30_000, "topic_data": topic_data}
        (response,) = ask(raw, PRODUCE, 9, values).responses
        assert {result.error_code for result in response.partition_responses} == {NONE}


@contextmanager
def steady_producer(broker, raw):
    """Runs an idempotent producer of a new topic; checks its acknowledged records at the end."""
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


def deletion_log_line(count):
    return f"deleted {count} logs"


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_appends_continue_while_ten_thousand_partitions_are_deleted(deployment, tmp_path):
    with DEPLOYMENTS[deployment](tmp_path) as broker, RawClient(broker.address) as raw:
        topic = raw.create_topic(partitions=PARTITIONS)
        append_to_all_partitions(raw, topic)
        with steady_producer(broker, raw) as producer:
            eventually(lambda: producer.acknowledged, what="a first acknowledgement")
            before = len(producer.acknowledged)
            deleting = threading.Thread(target=raw.delete_topic, args=[topic])
            deleting.start()
            broker.storage.wait_for_line(deletion_log_line(PARTITIONS))
            assert len(producer.acknowledged) > before
            deleting.join()
        # There is no refusal, not even a retriable one.
        assert not producer.refused
        offsets = [offset for offset, _ in producer.acknowledged]
        assert offsets == sorted(offsets)
        assert raw.produce(topic, record_batch(numbered(1))).error_code == (
            UNKNOWN_TOPIC_OR_PARTITION
        )
        broker.assert_running()


def test_a_deletion_that_is_killed_is_completed_by_the_next_process(tmp_path):
    with standalone(tmp_path) as broker:
        broker.kill("standalone")
        # The process is killed after the first of many writes.
        broker.start("standalone", failpoints="delete.logs=kill")
        broker.wait_until_ready()
        with RawClient(broker.address) as raw:
            topic = raw.create_topic(partitions=PARTITIONS)
            append_to_all_partitions(raw, topic)
            with steady_producer(broker, raw) as producer:
                eventually(lambda: producer.acknowledged, what="a first acknowledgement")
                with suppress(OSError):
                    # The response may arrive before the kill.
                    raw.delete_topic(topic)
                assert broker.storage.wait_for_exit() == -signal.SIGKILL
                broker.start("standalone")
                broker.wait_until_ready()
                broker.storage.wait_for_line(deletion_log_line(PARTITIONS - LOGS_PER_WRITE))
