import contextlib
import os
import shutil
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from partition_svc.store.failures import StorageFailed, StoreInUse
from partition_svc.store.keys import LogHead, head_key
from partition_svc.store.log_store import LogStore
from partition_svc.store.reading import ReadLimits
from tests.support.stores.full_disk import files_limited_to
from tests.support.stores.log_stores import (
    LOG_KEY,
    OTHER_LOG_KEY,
    batch_files,
    opened,
    roll,
    store_batches,
)

ROOT = Path(__file__).parents[4]
EVERYTHING = ReadLimits(1 << 30, 1 << 30, at_least_one=True)

_KILLED_AFTER_WRITING = """
import os, signal, sys
from pathlib import Path
from tests.support.stores.log_stores import opened, store_batches
with opened(Path(sys.argv[1])) as store:
    store_batches(store, 0, b"written")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_writes_survive_a_killed_process(tmp_path):
    command = [sys.executable, "-c", _KILLED_AFTER_WRITING, str(tmp_path)]
    process = subprocess.run(command, check=False, cwd=ROOT)
    assert process.returncode == -signal.SIGKILL
    with opened(tmp_path) as store:
        assert store.reader.read(LOG_KEY, 0, 10, EVERYTHING).batches == [b"written"]
        assert store.head(LOG_KEY) == LogHead(0, 10, 7)


def test_a_second_process_gets_store_in_use(tmp_path):
    with opened(tmp_path), pytest.raises(StoreInUse, match="in use by another process"):
        LogStore(tmp_path)


def test_a_directory_that_cannot_be_created_raises_storage_failed(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match="cannot open"):
        LogStore(tmp_path / "file" / "data")


def test_a_generation_ends_when_it_is_full_and_a_new_one_begins(tmp_path):
    with opened(tmp_path, flush_bytes=100) as store:
        assert (store.generation, store.is_generation_full) == (0, False)
        store_batches(store, 0, b"x" * 99)
        assert not store.is_generation_full
        store_batches(store, 10, b"x")
        assert store.is_generation_full
        store.roll()
        assert (store.generation, store.is_generation_full) == (1, False)


def test_opening_begins_a_generation_only_if_the_last_has_data(tmp_path):
    with opened(tmp_path) as store:
        store_batches(store, 0, b"x")
    for _ in range(2):
        with opened(tmp_path) as store:
            assert store.generation == 1


def test_generations_become_files_that_do_not_overlap(tmp_path):
    with opened(tmp_path) as store:
        end = 0
        # Enough files for a compaction by RocksDB, which must move them and not rewrite them.
        for _ in range(6):
            store_batches(store, end, b"y" * 1000, log=OTHER_LOG_KEY)
            end = store_batches(store, end, b"x" * 1000)
            roll(store)
        files = sorted((file["start_key"], file["end_key"]) for file in batch_files(store))
        assert len(files) == 6
        assert all(end_key < start_key for (_, end_key), (start_key, _) in pairwise(files))


def test_heads_has_the_heads_of_all_logs(tmp_path):
    with opened(tmp_path) as store:
        store_batches(store, 0, b"x", log=OTHER_LOG_KEY)
        store_batches(store, 0, b"xx")
        assert dict(store.reader.heads()) == {
            LOG_KEY: LogHead(0, 10, 2),
            OTHER_LOG_KEY: LogHead(0, 10, 1),
        }
        assert store.head(b"?" * 20) == LogHead()


def test_a_failed_write_stores_nothing_and_reads_continue(tmp_path):
    with opened(tmp_path) as store:
        store_batches(store, 0, b"kept" * 10_000)
        with files_limited_to(50_000), pytest.raises(StorageFailed):
            store_batches(store, 10, b"lost" * 10_000)
        assert store.head(LOG_KEY).next_offset == 10
        assert len(store.reader.read(LOG_KEY, 0, 100, EVERYTHING).batches) == 1
        # RocksDB does not recover by itself.
        with pytest.raises(StorageFailed):
            store_batches(store, 10, b"small")
        store.recover()
        assert store.is_writable
        store_batches(store, 10, b"again")
        assert len(store.reader.read(LOG_KEY, 0, 100, EVERYTHING).batches) == 2


def test_recover_leaves_the_store_open_if_the_disk_takes_no_new_files(tmp_path):
    with opened(tmp_path) as store:
        store_batches(store, 0, b"kept" * 10_000)
        with files_limited_to(1000):
            with pytest.raises(StorageFailed):
                store_batches(store, 10, b"lost" * 500_000)
            with pytest.raises(StorageFailed):
                store.recover()
        assert not store.is_writable
        assert len(store.reader.read(LOG_KEY, 0, 100, EVERYTHING).batches) == 1
        store.recover()
        assert store.is_writable
        store_batches(store, 10, b"accepted")


def test_a_closed_store_opened_on_a_full_disk_can_be_read(tmp_path):
    with opened(tmp_path) as store:
        store_batches(store, 0, b"kept" * 10_000)
    with files_limited_to(1000):
        store = LogStore(tmp_path)
    assert not store.is_writable
    assert len(store.reader.read(LOG_KEY, 0, 100, EVERYTHING).batches) == 1
    with pytest.raises(StorageFailed):
        store_batches(store, 10, b"refused")
    store.recover()
    store_batches(store, 10, b"accepted")
    store.close()


def test_a_killed_store_is_not_opened_without_what_its_journal_has(tmp_path):
    with opened(tmp_path) as store:
        store_batches(store, 0, b"kept" * 10_000)
        # As after a kill: the batch is only in the journal.
        copy = tmp_path.with_name("copy")
        shutil.copytree(tmp_path, copy)
    with files_limited_to(1000), pytest.raises(StorageFailed):
        LogStore(copy)
    with opened(copy) as store:
        assert len(store.reader.read(LOG_KEY, 0, 100, EVERYTHING).batches) == 1


def test_recover_leaves_the_store_open_if_the_disk_has_no_room(tmp_path, monkeypatch):
    with opened(tmp_path) as store:
        reader = store.reader
        monkeypatch.setattr(store.room, "is_enough", lambda: False)
        with pytest.raises(StorageFailed, match="no room"):
            store.recover()
        assert store.reader is reader
        store_batches(store, 0, b"still open")


def test_a_file_that_rocksdb_removes_after_listing_takes_no_room(tmp_path):
    with opened(tmp_path) as store:
        removed_file = tmp_path / "000099.log"
        removed_file.symlink_to(tmp_path / "removed")
        assert store.room.is_enough()
        removed_file.unlink()


def test_space_for_recovering_the_write_ahead_log_is_not_free(tmp_path):
    with opened(tmp_path) as store:
        free_bytes = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
        log_file = tmp_path / "000099.log"
        log_file.touch()
        os.truncate(log_file, free_bytes + (1 << 30))
        assert not store.room.is_enough()
        log_file.unlink()
        assert store.room.is_enough()


def test_a_failed_flush_raises_in_the_caller_that_waits(tmp_path):
    with opened(tmp_path) as store:
        store_batches(store, 0, b"x" * 100_000)
        with files_limited_to(20_000):
            with contextlib.suppress(StorageFailed):
                store.roll()
            with pytest.raises(StorageFailed):
                check_repeatedly(store)


def check_repeatedly(store):
    while True:
        store.check()


def test_statistics_are_available_if_enabled(tmp_path):
    store = LogStore(tmp_path, with_statistics=True)
    store_batches(store, 0, b"x" * 1000)
    assert "rocksdb.wal.bytes" in store.journaled.database.statistics()
    store.close()
    with opened(tmp_path) as store:
        assert store.journaled.database.statistics() == ""


def test_a_sync_and_a_deleted_head_are_written(tmp_path):
    with opened(tmp_path) as store:
        store_batches(store, 0, b"x")
        store.sync()
        write = store.new_write()
        write.delete(head_key(LOG_KEY))
        store.write(write, 0)
        assert list(store.reader.heads()) == []
