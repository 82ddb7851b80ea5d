"""Log compaction where the disk is full, and where its reads and writes fail.

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


class Keyed:
    """A compacted topic and what was acknowledged: two records a batch, one of a key of its own.

    So compaction must write each batch again, half as large.
    """

    def __init__(self, raw):
        self.topic = raw.create_topic(configs=COMPACTED)
        self.sent = {}

    def append(self, raw):
        count = len(self.sent) // 2
        value = (b"%d." % count) * (100_000 // len(b"%d." % count))
        pairs = [(b"own %d" % count, value), (b"shared", value)]
        batch = record_batch([Record(value, key) for key, value in pairs])
        answer = raw.produce(self.topic, batch)
        if answer.error_code == NONE:
            assert answer.base_offset == len(self.sent)
            self.sent |= dict(enumerate(pairs, answer.base_offset))
        return answer.error_code

    def fill(self, raw, count):
        for _ in range(count):
            if (error_code := self.append(raw)) != NONE:
                assert error_code == STORAGE_ERROR
                return

    @property
    def last(self):
        newest = {key: offset for offset, (key, _) in self.sent.items()}
        return {offset: self.sent[offset] for offset in newest.values()}

    def found(self, raw):
        return pairs_by_offset(raw.fetch_all(self.topic))

    def assert_kept(self, raw):
        found = self.found(raw)
        assert found.items() <= self.sent.items()
        assert self.last.items() <= found.items()

    def is_compacted(self, raw):
        """All but the newest segment, which is about a megabyte."""
        found = self.found(raw)
        self.assert_kept(raw)
        return len(found) - len(self.last) <= 12


class Broker:
    """A broker with a compacted topic and a plain one, whose cleaner is held at `place`."""

    def __init__(self, tmp_path, place, environment=None):
        self._place, self._file = place, tmp_path / "held"
        self.deployment = standalone(tmp_path, **SETTINGS)
        failpoint = f"{place}={self._file}"
        self.deployment.environment = {"FAILPOINTS": failpoint, **(environment or {})}
        self._file.touch()

    def __enter__(self):
        self.deployment.__enter__()
        self.raw = RawClient(self.deployment.address)
        self.plain, self.keyed = self.raw.create_topic(), Keyed(self.raw)
        assert self.append_plain() == NONE
        return self

    def __exit__(self, *error):
        self.raw.close()
        self.deployment.__exit__(*error)

    def append_plain(self):
        return self.raw.produce(self.plain, PLAIN_BATCH).error_code

    def wait_until_held(self):
        self.deployment.storage.wait_for_line(f"failpoint {self._place}$")

    def let_go(self):
        self._file.unlink()

    def is_compacted(self):
        return self.keyed.is_compacted(self.raw)

    def assert_served(self):
        """Both logs can be read; the compacted one says what was acknowledged."""
        assert self.raw.fetch(self.plain, 0).error_code == NONE
        self.keyed.assert_kept(self.raw)

    def assert_well(self):
        """Compaction goes through, and a restart agrees."""
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
    """It takes more room than there is, so it ends early, and continues in the freed space."""
    with Broker(tmp_path, "clean.round") as broker:
        broker.keyed.fill(broker.raw, DISK_BYTES // 200_000)
        # Some comes back when the write-ahead log becomes files; compaction needs more than that.
        assert free_bytes(data) < DISK_BYTES // 4
        used_bytes = DISK_BYTES - free_bytes(data)
        broker.let_go()
        broker.deployment.storage.wait_for_line("cannot compact logs: no room on the disk")
        eventually(lambda: DISK_BYTES - free_bytes(data) < used_bytes * 2 // 3, what="space")
        broker.assert_served()
        broker.assert_well()


def test_a_disk_that_is_full_when_compaction_writes_is_waited_for(data, tmp_path):
    with Broker(tmp_path, "clean.replace") as broker:
        broker.keyed.fill(broker.raw, BATCHES)
        # It has seen that there is room.
        broker.wait_until_held()
        ballast = data / "ballast"
        write_until_full(ballast)
        broker.let_go()
        eventually(lambda: broker.append_plain() == STORAGE_ERROR, what="a full disk")
        broker.deployment.storage.wait_for_line("cannot compact logs")
        eventually(lambda: broker.raw.fetch(broker.plain, 0).error_code == NONE, what="reads")
        broker.assert_served()
        ballast.unlink()
        broker.assert_well()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_write_or_read_of_compaction_that_fails_loses_nothing(fault, tmp_path):
    operation, error, suffix = FAULTS[fault]
    disk = FaultyDisk(tmp_path / "data" / "partition", tmp_path / "faults")
    # Before the round has read anything, which would be in memory then; or before it writes.
    place = "clean.round" if operation == READ else "clean.replace"
    with Broker(tmp_path, place, disk.environment) as broker:
        broker.keyed.fill(broker.raw, BATCHES)
        broker.wait_until_held()
        disk.fail(operation, error=error, suffix=suffix)
        broker.let_go()
        # A read that fails concerns its log alone, which is named by topic id and partition.
        compacted = r"[0-9a-f]{32}-0" if operation == READ else "logs"
        broker.deployment.storage.wait_for_line(f"cannot compact {compacted}")
        assert disk.failures
        disk.heal()
        eventually(lambda: broker.raw.fetch(broker.plain, 0).error_code == NONE, what="reads")
        broker.assert_served()
        broker.assert_well()
