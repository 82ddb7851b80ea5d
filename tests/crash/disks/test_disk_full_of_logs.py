"""A disk that logs have filled, and that deleting topics empties. Needs root, to mount."""

import os

import pytest

from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import standalone
from tests.support.stores.mounts import small_disk
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

NONE, STORAGE_ERROR = 0, 56
BATCH = record_batch(numbered(1, size=200_000))
DISK_BYTES = 64 << 20
#: In proportion to the disk, as the defaults are to a usual one.
SETTINGS = {"log_flush_bytes": str(1 << 20), "log_reserve_bytes": str(8 << 20)}


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "data"
    with small_disk(path, DISK_BYTES):
        yield path


def free_bytes(path):
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def fill(raw, *topics):
    """Appends to all topics in turn until one append is refused; returns acknowledged counts."""
    acknowledged = dict.fromkeys(topics, 0)
    for _ in range(DISK_BYTES // 100_000):
        for topic in topics:
            error_code = raw.produce(topic, BATCH).error_code
            if error_code:
                assert error_code == STORAGE_ERROR
                return acknowledged
            acknowledged[topic] += 1
    raise AssertionError("the disk did not become full")


def test_deleting_topics_empties_a_disk_that_logs_have_filled(disk, tmp_path):
    with standalone(tmp_path, **SETTINGS) as broker:
        with RawClient(broker.address) as raw:
            kept, first, second = (raw.create_topic() for _ in range(3))
            acknowledged = fill(raw, kept, first, second)
            assert free_bytes(disk) >= 4 << 20, "no space is reserved for deleting"
            assert raw.produce(first, BATCH).error_code == STORAGE_ERROR
            # The topic has a third of each file.
            assert raw.delete_topic(first) == NONE
            eventually(lambda: raw.produce(kept, BATCH).error_code == NONE, what="room")
            acknowledged[kept] += 1 + fill(raw, kept)[kept]
        # Start on a full disk, and delete topics afterwards.
        broker.restart("standalone")
        with RawClient(broker.address) as raw:
            acknowledged[kept] += fill(raw, kept)[kept]
            assert len(raw.fetch_all(kept)) == acknowledged[kept]
            assert raw.delete_topic(second) == NONE
            eventually(lambda: raw.produce(kept, BATCH).error_code == NONE, what="room")
            assert len(raw.fetch_all(kept)) > acknowledged[kept]
            assert raw.delete_topic(kept) == NONE
            eventually(lambda: free_bytes(disk) > DISK_BYTES * 3 // 4, what="an empty disk")
        broker.assert_running()
