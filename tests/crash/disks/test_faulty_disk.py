"""Logs on a disk whose reads, writes and syncs fail: requests are refused, and nothing is lost.

Faults of a metadata store are tested in test_metadata_disk.py.
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
#: Reads come from files, and not from memory.
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


class Log:
    """A topic, and its acknowledged batches by offset."""

    def __init__(self, raw):
        self.topic = raw.create_topic()
        self.acknowledged = {}
        self._count = 0

    def append(self, raw):
        """Appends a unique batch of 100 KB; returns the error code."""
        self._count += 1
        batch = record_batch([Record(b"%d" % self._count * 20_000)])
        produced = raw.produce(self.topic, batch)
        if produced.error_code == NONE:
            self.acknowledged[produced.base_offset] = batch[61:]
        return produced.error_code

    def assert_complete(self, raw):
        fetched = {
            int.from_bytes(batch[:8], "big"): batch[61:] for batch in raw.fetch_all(self.topic)
        }
        lost = [
            offset
            for offset, records in self.acknowledged.items()
            if fetched.get(offset) != records
        ]
        assert not lost


def append_until_refused(log, raw):
    """Appends until a batch is refused; returns the error code."""
    for _ in range(100):
        error_code = log.append(raw)
        if error_code != NONE:
            return error_code
    raise AssertionError("the fault had no effect, so the test has shown nothing")


@pytest.fixture
def disk(tmp_path):
    return FaultyDisk(tmp_path / "data" / "partition", tmp_path / "faults")


def test_failed_writes_and_syncs_lose_no_records_and_appends_recover(disk, tmp_path):
    broker = standalone(tmp_path, **SETTINGS)
    broker.environment = disk.environment
    with broker:
        with RawClient(broker.address) as raw:
            log = Log(raw)
            for name, (operation, error, suffix) in FAULTS.items():
                assert log.append(raw) == NONE
                disk.fail(operation, error=error, suffix=suffix)
                assert append_until_refused(log, raw) == STORAGE_ERROR, name
                assert disk.failures, name
                # Reads continue, except while the store is reopened.
                eventually(lambda: raw.fetch(log.topic, 0).error_code == NONE, what="reads")
                disk.heal()
                eventually(lambda: log.append(raw) == NONE, what=f"appends after {name}")
            broker.assert_running()
            log.assert_complete(raw)
        broker.restart("standalone")
        with RawClient(broker.address) as raw:
            log.assert_complete(raw)


def test_failed_reads_are_errors_and_not_the_end_of_a_log(disk, tmp_path):
    broker = standalone(tmp_path, **SETTINGS)
    broker.environment = disk.environment
    with broker:
        with RawClient(broker.address) as raw:
            log = Log(raw)
            while not list(disk.root.glob("*.sst")) or len(log.acknowledged) < 30:
                assert log.append(raw) == NONE
        broker.restart("standalone")
        with RawClient(broker.address) as raw:
            disk.fail(READ, suffix=".sst")
            fetched = raw.fetch(log.topic, 0)
            assert (fetched.error_code, fetched.batches) == (STORAGE_ERROR, [])
            assert disk.failures
            disk.heal()
            log.assert_complete(raw)
            assert log.append(raw) == NONE
        broker.assert_running()
