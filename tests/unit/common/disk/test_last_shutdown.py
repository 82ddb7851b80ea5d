"""Log lines at a start after each kind of shutdown.

Those about a write-ahead log of RocksDB are of the metadata store; the partition service has a
journal, and such a log only when a store of an older release is taken over.
"""

import logging
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from common.disk.last_shutdown import WalDamage, damage_of
from common.kv.rocks import RocksKvStore
from partition_svc.store.log_store import LogStore
from tests.contracts.kv_store_contract import put
from tests.support.processes.processes import REPOSITORY
from tests.support.stores.log_stores import LOG_KEY, opened, store_batches

KILLED = """
import os, signal, sys
from pathlib import Path
from common.kv.rocks import RocksKvStore
from common.kv.store import WriteBatch
from tests.contracts.kv_store_contract import put
store = RocksKvStore(Path(sys.argv[1]))
for number in range(60):
    put(store, **{f"key{number:02}": "x" * 5_000})
batch = WriteBatch()
batch.put(b"unsynced", b"y" * 5_000)
store.write(batch, sync=False)
os.kill(os.getpid(), signal.SIGKILL)
"""


def run_killed(folder):
    """Writes to a metadata store until SIGKILL; returns the write-ahead log that is left."""
    result = subprocess.run([sys.executable, "-c", KILLED, str(folder)], cwd=REPOSITORY)
    assert result.returncode == -signal.SIGKILL
    return max(folder.glob("*.log"), key=lambda file: file.stat().st_size)


@contextmanager
def opened_metadata(folder):
    store = RocksKvStore(folder)
    try:
        yield store
    finally:
        store.close()


def key_count(store):
    return len(store.scan(b"", b"\xff"))


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def lines(caplog, level):
    return [record.getMessage() for record in caplog.records if record.levelno == level]


@pytest.fixture(autouse=True)
def _log_info_lines(caplog):
    caplog.set_level(logging.INFO)


def test_a_clean_shutdown_is_logged_at_the_next_start(tmp_path, caplog):
    for _ in range(2):
        with opened(tmp_path) as store:
            store_batches(store, store.head(LOG_KEY).next_offset, b"x")
    assert lines(caplog, logging.INFO) == [f"{tmp_path}: the last process closed it"]
    assert not lines(caplog, logging.WARNING)


def test_an_unclean_shutdown_is_logged_with_the_recovered_bytes(tmp_path, caplog):
    size = run_killed(tmp_path).stat().st_size
    with opened_metadata(tmp_path) as store:
        assert key_count(store) == 61
    (line,) = lines(caplog, logging.WARNING)
    assert "did not close it" in line
    assert f"from {size} bytes" in line
    assert not list(tmp_path.glob("damaged-*"))
    assert not (tmp_path / "opening").exists()


def test_a_flipped_bit_within_the_log_is_logged_as_critical_with_the_loss(tmp_path, caplog):
    wal = run_killed(tmp_path)
    size = wal.stat().st_size
    flip(wal, size // 2)
    with opened_metadata(tmp_path) as store:
        assert 25 <= key_count(store) <= 31
    (line,) = lines(caplog, logging.CRITICAL)
    assert "synced changes are LOST" in line
    (copy,) = tmp_path.glob("damaged-*")
    assert str(copy) in line
    damage = damage_of(copy.glob("*.log"))
    # The last record may end with zeros.
    assert 0 <= size - damage.readable_bytes - damage.lost_bytes < 100
    assert abs(damage.readable_bytes - size // 2) <= 32 << 10
    assert f"{damage.lost_bytes} bytes of data behind them cannot" in line
    # It is logged once: the next start finds the log of this one.
    caplog.clear()
    with opened_metadata(tmp_path):
        pass
    assert not lines(caplog, logging.CRITICAL)


def test_a_truncated_log_is_logged_though_it_is_readable(tmp_path, caplog):
    wal = run_killed(tmp_path)
    os.truncate(wal, wal.stat().st_size * 2 // 3)
    with opened_metadata(tmp_path):
        pass
    (line,) = lines(caplog, logging.CRITICAL)
    assert "LOST" in line


def test_damage_after_the_last_sync_is_no_loss_of_acknowledged_writes(tmp_path, caplog):
    wal = run_killed(tmp_path)
    flip(wal, wal.stat().st_size - 1_000)
    with opened_metadata(tmp_path) as store:
        assert key_count(store) == 60
    assert not lines(caplog, logging.CRITICAL)
    (line,) = lines(caplog, logging.WARNING)
    assert "cannot be read" in line


def test_a_reopened_store_keeps_its_mark(tmp_path, caplog):
    with opened(tmp_path) as store:
        store_batches(store, 0, b"x")
        store.sync()
        store.recover()
        store_batches(store, 10, b"x")
    LogStore(tmp_path).close()
    assert not lines(caplog, logging.CRITICAL)
    assert lines(caplog, logging.INFO) == [f"{tmp_path}: the last process closed it"]


def test_the_metadata_store_logs_that_it_was_closed(tmp_path, caplog):
    with opened_metadata(tmp_path) as store:
        put(store, a="1")
    with opened_metadata(tmp_path):
        pass
    assert lines(caplog, logging.INFO) == [f"{tmp_path}: the last process closed it"]


def test_no_more_than_three_damaged_logs_are_kept(tmp_path, caplog):
    for _ in range(5):
        flip(run_killed(tmp_path), 20_000)
        RocksKvStore(tmp_path).close()
    assert len(list(tmp_path.glob("damaged-*"))) <= 3


def test_a_complete_log_has_no_damage(tmp_path):
    wal = run_killed(tmp_path)
    size = wal.stat().st_size
    assert abs(damage_of([wal]).readable_bytes - size) < 100
    assert damage_of([wal]).lost_bytes == 0
    with wal.open("ab") as allocated:
        allocated.write(bytes(100_000))
    assert damage_of([wal]).lost_bytes == 0
    assert damage_of([]) == WalDamage(0, 0)
