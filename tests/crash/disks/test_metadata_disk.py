"""The metadata service on a failing disk: it acknowledges only changes that its store has.

A failed write or sync ends the process before any response, and the next start reads the changes
that were stored.
"""

import errno
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import standalone, three_processes
from tests.support.stores.bit_rot import damaged_block
from tests.support.stores.faulty_disk import SYNC, WRITE, FaultyDisk
from tests.support.stores.mounts import small_disk
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

NONE, UNKNOWN_TOPIC_OR_PARTITION = 0, 3
FAULTS = [(WRITE, errno.EIO), (WRITE, errno.EDQUOT), (SYNC, errno.EIO)]
BATCH = record_batch(numbered(1))


def is_complete_or_missing(raw, topic):
    """True if a topic either works in all respects or does not exist."""
    (metadata,) = raw.metadata(topic).topics
    if metadata.error_code == UNKNOWN_TOPIC_OR_PARTITION:
        return raw.produce(topic, BATCH).error_code == UNKNOWN_TOPIC_OR_PARTITION
    return raw.produce(topic, BATCH).error_code == metadata.error_code == NONE


def test_a_failed_write_or_sync_ends_the_broker_before_it_responds(tmp_path):
    disk = FaultyDisk(tmp_path / "data" / "metadata", tmp_path / "faults")
    broker = standalone(tmp_path)
    broker.environment = disk.environment
    with broker:
        for operation, error in FAULTS:
            with RawClient(broker.address) as raw:
                topic = raw.create_topic()
                assert raw.produce(topic, BATCH).error_code == NONE
                disk.fail(operation, error=error, times=1, suffix=".log")
                with pytest.raises(ConnectionError):
                    raw.delete_topic(topic)
            assert broker.storage.wait_for_exit() == 1
            assert broker.storage.lines_with("CRITICAL.*cannot write the metadata store")
            disk.heal()
            broker.start("standalone")
            broker.wait_until_ready()
            with RawClient(broker.address) as raw:
                exists = topic_exists(raw, topic)
                assert is_complete_or_missing(raw, topic)
            broker.restart("standalone")  # the next start must find the same
            with RawClient(broker.address) as raw:
                assert topic_exists(raw, topic) == exists
                assert (
                    len(raw.fetch_all(topic)) == 2 if exists else is_complete_or_missing(raw, topic)
                )


def topic_exists(raw, topic):
    return raw.metadata(topic).topics[0].error_code == NONE


def test_a_failed_sync_ends_a_separate_metadata_service(tmp_path):
    disk = FaultyDisk(tmp_path / "metadata", tmp_path / "faults")
    broker = three_processes(tmp_path)
    broker.environment = disk.environment
    with broker, ThreadPoolExecutor(1) as caller, RawClient(broker.address) as raw:
        topic = raw.create_topic()
        disk.fail(SYNC, times=1, suffix=".log")
        deletion = caller.submit(raw.delete_topic, topic)
        assert broker.processes["metadata"].wait_for_exit() == 1
        assert broker.processes["metadata"].lines_with("CRITICAL.*cannot write")
        broker.start("metadata")
        error_code = deletion.result(60)
        broker.wait_until_ready()
        with RawClient(broker.address) as reader:
            # Gateway and partition service apply the deletion at different times.
            eventually(
                lambda: is_complete_or_missing(reader, topic), what="a consistent view of the topic"
            )
            assert error_code != NONE or not topic_exists(reader, topic)


def test_topics_can_be_deleted_on_a_disk_that_other_files_have_filled(tmp_path):
    path, ballast = tmp_path / "data", tmp_path / "data" / "ballast"
    with small_disk(path, 64 << 20), standalone(tmp_path, log_reserve_bytes="0") as broker:
        with RawClient(broker.address) as raw:
            raw.create_topic()
            fill(ballast)
            with pytest.raises(ConnectionError):
                create_topics_until_error(raw)
        assert broker.storage.wait_for_exit() == 1
        # Fill the space that the process has freed at its end, too.
        fill(ballast)
        broker.start("standalone")
        broker.wait_until_ready()
        with RawClient(broker.address) as raw:
            topics = {topic.name for topic in raw.metadata().topics}
            assert topics
            assert [raw.delete_topic(topic) for topic in topics] == [NONE] * len(topics)
            assert not raw.metadata().topics
        broker.kill()


def create_topics_until_error(raw):
    while True:
        raw.create_topic()


def fill(ballast):
    """Appends to a file until the disk is full to the last byte."""
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


def test_a_damaged_store_is_not_served_and_loses_no_topic(tmp_path):
    """Otherwise all entries after the damaged block would seem to be missing."""
    with three_processes(tmp_path) as broker, RawClient(broker.address) as raw:
        topics = [raw.create_topic(name=f"topic-{number:03}") for number in range(100)]
        broker.kill("metadata")
        broker.start("metadata")
        broker.wait_until_ready()
        broker.kill("metadata")
        with damaged_block(tmp_path / "metadata") as file:
            broker.start("metadata")
            metadata = broker.processes["metadata"]
            assert metadata.wait_for_exit() == 1
            assert metadata.lines_with(f"cannot read .*metadata: Corruption.*{file.name}")
            # The other services continue with their last view.
            assert {raw.produce(topic, BATCH).error_code for topic in topics} == {NONE}
        broker.start("metadata")
        broker.wait_until_ready()
        assert {topic.error_code for topic in raw.metadata(*topics).topics} == {NONE}
        assert [len(raw.fetch_all(topic)) for topic in topics] == [1] * len(topics)
