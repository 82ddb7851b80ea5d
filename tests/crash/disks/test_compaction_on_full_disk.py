"""Log compaction on a full disk, and on a disk whose reads and writes fail.

Needs root, to mount.
"""

import errno
import os
from contextlib import suppress

import pytest

from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import standalone
from tests.support.stores.compacted_logs import pairs_by_offset
from tests.support.stores.faulty_disk import READ, WRITE, FaultyDisk
from tests.support.stores.mounts import small_disk
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.records import Record

pytestmark = pytest.mark.slow

NONE, STORAGE_ERROR = 0, 56
DISK_BYTES = 64 << 20
SETTINGS = {
    "log_flush_bytes": str(1 << 20),
    "log_reserve_bytes": str(8 << 20),
    "log_cleaner_backoff_ms": "20",
    # Read from files, and not from memory.
    "log_tail_cache_bytes": "0",
}
COMPACTED = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0",
    "segment.bytes": str(1 << 20),
}
#: Some segments of the compacted log.
BATCHES = 40
FAULTS = {
    "EIO from a write to the journal": (WRITE, errno.EIO, ".journal"),
    "ENOSPC from a write to the journal": (WRITE, errno.ENOSPC, ".journal"),
    "EIO from a read of a file of batches": (READ, errno.EIO, ".sst"),
}
PLAIN_BATCH = record_batch([Record(b"p" * 200_000)])


class CompactedTopic:
    """A compacted topic with two records a batch, one of them with a key of its own.

    Compaction must therefore rewrite each batch at half its size. `sent` has the acknowledged
    records by offset.
    """

    def __init__(self, raw):
        self.topic = raw.create_topic(configs=COMPACTED)
        self.sent = {}

    def append(self, raw):
        count = len(self.sent) // 2
        value = (b"%d." % count) * (100_000 // len(b"%d." % count))
        pairs = [(b"own %d" % count, value), (b"shared", value)]
        batch = record_batch([Record(value, key) for key, value in pairs])
        produced = raw.produce(self.topic, batch)
        if produced.error_code == NONE:
            assert produced.base_offset == len(self.sent)
            self.sent |= dict(enumerate(pairs, produced.base_offset))
        return produced.error_code

    def fill(self, raw, count):
        for _ in range(count):
            if (error_code := self.append(raw)) != NONE:
                assert error_code == STORAGE_ERROR
                return

    @property
    def last_records(self):
        newest = {key: offset for offset, (key, _) in self.sent.items()}
        return {offset: self.sent[offset] for offset in newest.values()}

    def fetch_pairs(self, raw):
        return pairs_by_offset(raw.fetch_all(self.topic))

    def assert_last_records_kept(self, raw):
        fetched = self.fetch_pairs(raw)
        assert fetched.items() <= self.sent.items()
        assert self.last_records.items() <= fetched.items()

    def is_compacted(self, raw):
        """True if all is compacted except the newest segment, which is about a megabyte."""
        fetched = self.fetch_pairs(raw)
        self.assert_last_records_kept(raw)
        return len(fetched) - len(self.last_records) <= 12


class Broker:
    """A broker with a compacted topic and a plain one, whose cleaner stops at failpoint `place`."""

    def __init__(self, tmp_path, place, environment=None):
        self._place, self._file = place, tmp_path / "failpoint"
        self.deployment = standalone(tmp_path, **SETTINGS)
        failpoint = f"{place}={self._file}"
        self.deployment.environment = {"FAILPOINTS": failpoint, **(environment or {})}
        self._file.touch()

    def __enter__(self):
        self.deployment.__enter__()
        self.raw = RawClient(self.deployment.address)
        self.plain, self.compacted = self.raw.create_topic(), CompactedTopic(self.raw)
        assert self.append_plain() == NONE
        return self

    def __exit__(self, *error):
        self.raw.close()
        self.deployment.__exit__(*error)

    def append_plain(self):
        return self.raw.produce(self.plain, PLAIN_BATCH).error_code

    def wait_until_cleaner_stops(self):
        self.deployment.storage.wait_for_line(f"failpoint {self._place}$")

    def release(self):
        self._file.unlink()

    def is_compacted(self):
        return self.compacted.is_compacted(self.raw)

    def assert_served(self):
        """Asserts that both logs can be read, and the compacted one has its last records."""
        assert self.raw.fetch(self.plain, 0).error_code == NONE
        self.compacted.assert_last_records_kept(self.raw)

    def assert_recovers(self):
        """Asserts that compaction completes, and that a restart has the same records."""
        eventually(self.is_compacted, what="compaction")
        eventually(lambda: self.append_plain() == NONE, what="appends")
        self.deployment.assert_running()
        self.raw.close()
        self.deployment.restart("standalone")
        self.raw = RawClient(self.deployment.address)
        self.assert_served()


def free_bytes(path):
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def write_until_full(path):
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data"
    with small_disk(path, DISK_BYTES):
        yield path


def test_compaction_empties_a_disk_that_its_log_has_filled(data, tmp_path):
    """A round stops early for lack of room, and the next one continues in the freed space."""
    with Broker(tmp_path, "clean.round") as broker:
        broker.compacted.fill(broker.raw, DISK_BYTES // 200_000)
        # Space is freed when the write-ahead log is flushed; compaction needs more than that.
        assert free_bytes(data) < DISK_BYTES // 4
        used_bytes = DISK_BYTES - free_bytes(data)
        broker.release()
        broker.deployment.storage.wait_for_line("cannot compact logs: no room on the disk")
        eventually(lambda: DISK_BYTES - free_bytes(data) < used_bytes * 2 // 3, what="space")
        broker.assert_served()
        broker.assert_recovers()


def test_compaction_that_finds_the_disk_full_continues_when_there_is_room(data, tmp_path):
    with Broker(tmp_path, "clean.replace") as broker:
        broker.compacted.fill(broker.raw, BATCHES)
        # The cleaner has already checked that there is room.
        broker.wait_until_cleaner_stops()
        ballast = data / "ballast"
        write_until_full(ballast)
        broker.release()
        eventually(lambda: broker.append_plain() == STORAGE_ERROR, what="a full disk")
        broker.deployment.storage.wait_for_line("cannot compact logs")
        eventually(lambda: broker.raw.fetch(broker.plain, 0).error_code == NONE, what="reads")
        broker.assert_served()
        ballast.unlink()
        broker.assert_recovers()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_write_or_read_of_compaction_that_fails_loses_nothing(fault, tmp_path):
    operation, error, suffix = FAULTS[fault]
    disk = FaultyDisk(tmp_path / "data" / "partition", tmp_path / "faults")
    # Stop before the round reads, because later reads come from memory; or before it writes.
    place = "clean.round" if operation == READ else "clean.replace"
    with Broker(tmp_path, place, disk.environment) as broker:
        broker.compacted.fill(broker.raw, BATCHES)
        broker.wait_until_cleaner_stops()
        disk.fail(operation, error=error, suffix=suffix)
        broker.release()
        # A read that fails concerns its log alone, which is named by topic id and partition.
        compacted = r"[0-9a-f]{32}-0" if operation == READ else "logs"
        broker.deployment.storage.wait_for_line(f"cannot compact {compacted}")
        assert disk.failures
        disk.heal()
        eventually(lambda: broker.raw.fetch(broker.plain, 0).error_code == NONE, what="reads")
        broker.assert_served()
        broker.assert_recovers()
