"""Logs on a disk whose reads, writes and syncs fail: refused, never lost, and well again by itself.

The faults of a metadata store are in test_metadata_disk.py.
"""

import errno

import pytest

from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import standalone
from tests.support.stores.faulty_disk import READ, SYNC, TORN, WRITE, FaultyDisk
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.records import Record

pytestmark = pytest.mark.slow

NONE, STORAGE_ERROR = 0, 56
#: Read from files, and not from memory.
SETTINGS = {"log_flush_bytes": str(1 << 20), "log_tail_cache_bytes": "0"}
#: Appends are in the journal first; batches are in files of RocksDB after a flush.
FAULTS = {
    "EIO from a write to the journal": (WRITE, errno.EIO, ".journal"),
    "ENOSPC from a write to the journal": (WRITE, errno.ENOSPC, ".journal"),
    "EIO from a write that the journal has in part": (WRITE | TORN, errno.EIO, ".journal"),
    "EIO from a sync of the journal": (SYNC, errno.EIO, ".journal"),
    "ENOSPC from a write to a file of batches": (WRITE, errno.ENOSPC, ".sst"),
    "EIO from a sync of a file of batches": (SYNC, errno.EIO, ".sst"),
}


class Written:
    """A topic, and what was acknowledged of it."""

    def __init__(self, raw):
        self.topic = raw.create_topic()
        self.acknowledged = {}
        self._count = 0

    def append(self, raw):
        """One batch of 100 KB that no other is like; returns the error code."""
        self._count += 1
        batch = record_batch([Record(b"%d" % self._count * 20_000)])
        answer = raw.produce(self.topic, batch)
        if answer.error_code == NONE:
            self.acknowledged[answer.base_offset] = batch[61:]
        return answer.error_code

    def assert_kept(self, raw):
        found = {int.from_bytes(one[:8], "big"): one[61:] for one in raw.fetch_all(self.topic)}
        lost = [offset for offset, rest in self.acknowledged.items() if found.get(offset) != rest]
        assert not lost


def refused(written, raw):
    """Appends until one is refused."""
    for _ in range(100):
        error_code = written.append(raw)
        if error_code != NONE:
            return error_code
    raise AssertionError("the fault had no effect: the test showed nothing")


@pytest.fixture
def disk(tmp_path):
    return FaultyDisk(tmp_path / "data" / "partition", tmp_path / "faults")


def test_writes_and_syncs_that_fail_lose_nothing_and_heal(disk, tmp_path):
    broker = standalone(tmp_path, **SETTINGS)
    broker.environment = disk.environment
    with broker:
        with RawClient(broker.address) as raw:
            written = Written(raw)
            for name, (operation, error, suffix) in FAULTS.items():
                assert written.append(raw) == NONE
                disk.fail(operation, error=error, suffix=suffix)
                assert refused(written, raw) == STORAGE_ERROR, name
                assert disk.failures, name
                # Reads continue, except while the store is reopened.
                eventually(lambda: raw.fetch(written.topic, 0).error_code == NONE, what="reads")
                disk.heal()
                eventually(lambda: written.append(raw) == NONE, what=f"appends after {name}")
            broker.assert_running()
            written.assert_kept(raw)
        broker.restart("standalone")
        with RawClient(broker.address) as raw:
            written.assert_kept(raw)


def test_reads_that_fail_are_errors_and_never_the_end_of_a_log(disk, tmp_path):
    broker = standalone(tmp_path, **SETTINGS)
    broker.environment = disk.environment
    with broker:
        with RawClient(broker.address) as raw:
            written = Written(raw)
            while not list(disk.root.glob("*.sst")) or len(written.acknowledged) < 30:
                assert written.append(raw) == NONE
        broker.restart("standalone")
        with RawClient(broker.address) as raw:
            disk.fail(READ, suffix=".sst")
            fetched = raw.fetch(written.topic, 0)
            assert (fetched.error_code, fetched.batches) == (STORAGE_ERROR, [])
            assert disk.failures
            disk.heal()
            written.assert_kept(raw)
            assert written.append(raw) == NONE
        broker.assert_running()
