import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from common.kv.rocks import RocksKvStore
from common.kv.store import KvStoreFailed, WriteBatch
from tests.contracts.kv_store_contract import KvStoreContract, put
from tests.support.stores.bit_rot import damaged_block
from tests.support.stores.full_disk import files_limited_to

#: Writes batches of two keys, and prints the number of each batch when it is durable.
WRITE_UNTIL_KILLED = """
import sys
from pathlib import Path
from common.kv.rocks import RocksKvStore
from common.kv.store import WriteBatch

store = RocksKvStore(Path(sys.argv[1]))
for number in range(10**9):
    batch = WriteBatch()
    batch.put(b"left%08d" % number, b"x" * 100)
    batch.put(b"right%08d" % number, b"x" * 100)
    store.write(batch, sync=True)
    print(number, flush=True)
"""


class TestRocksKvStore(KvStoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        store = RocksKvStore(tmp_path / "store")
        yield store
        store.close()


def test_written_entries_exist_after_reopening(tmp_path):
    store = RocksKvStore(tmp_path)
    put(store, a="1")
    store.close()
    store = RocksKvStore(tmp_path)
    assert store.get(b"a") == b"1"
    store.close()


def test_a_scan_that_was_not_read_to_its_end_does_not_keep_the_store_locked(tmp_path):
    store = RocksKvStore(tmp_path)
    put(store, a="1", b="2")
    entries = iter(store.scan(b"", b"\xff"))
    next(entries)
    store.close()
    RocksKvStore(tmp_path).close()


def test_a_damaged_block_is_an_error_and_never_the_end_of_a_scan(tmp_path):
    store = RocksKvStore(tmp_path)
    rows = {f"k{number:03}": os.urandom(500).hex() for number in range(100)}
    put(store, **rows)
    store.close()
    # Reopening flushes the write-ahead log into a file.
    RocksKvStore(tmp_path).close()
    with damaged_block(tmp_path) as file:
        store = RocksKvStore(tmp_path)
        with pytest.raises(KvStoreFailed, match=f"Corruption.*{file.name}"):
            store.scan(b"k", b"l")
        assert store.get(b"k000") == rows["k000"].encode()
        store.close()
    store = RocksKvStore(tmp_path)
    assert len(store.scan(b"k", b"l")) == len(rows)
    store.close()


def test_opening_a_store_twice_is_refused_with_a_clear_error(tmp_path):
    store = RocksKvStore(tmp_path)
    with pytest.raises(KvStoreFailed, match="in use by another process"):
        RocksKvStore(tmp_path)
    store.close()


def test_a_directory_that_cannot_be_created_is_a_store_failure(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(KvStoreFailed, match="file"):
        RocksKvStore(tmp_path / "file" / "store")


def test_a_batch_with_a_value_of_another_type_changes_nothing(tmp_path):
    store = RocksKvStore(tmp_path)
    batch = WriteBatch()
    batch.put(b"a", b"1")
    batch.put(b"b", bytearray(b"2"))
    with pytest.raises(KvStoreFailed):
        store.write(batch, sync=True)
    assert store.get(b"a") is None
    store.close()


class ProcessEnded(Exception):
    """Raised instead of ending the process."""


def end(reason):
    raise ProcessEnded(reason)


@pytest.mark.parametrize("must_sync", [True, False])
def test_a_write_that_the_disk_refuses_ends_the_process(tmp_path, must_sync):
    store = RocksKvStore(tmp_path, on_failed_write=end)
    put(store, a="1")
    batch = WriteBatch()
    batch.put(b"b", b"2" * 100_000)
    with (
        files_limited_to(10_000),
        pytest.raises(ProcessEnded, match=r"cannot write .*File too large"),
    ):
        store.write(batch, sync=must_sync)
    # RocksDB reports the failed write again, and is closed nevertheless.
    with suppress(KvStoreFailed):
        store.close()
    store = RocksKvStore(tmp_path)
    assert (store.get(b"a"), store.get(b"b")) == (b"1", None)
    store.close()


def test_a_killed_process_loses_no_written_batch_and_no_part_of_one(tmp_path):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE_UNTIL_KILLED, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    with writer:
        written = 0
        while written < 200:
            written = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().split()
    # The last line may itself be cut off by the kill.
    written = max([written, *map(int, rest[:-1])])

    store = RocksKvStore(tmp_path)
    lefts = [key[4:] for key, _ in store.scan(b"left", b"left\xff")]
    rights = [key[5:] for key, _ in store.scan(b"right", b"right\xff")]
    store.close()
    assert lefts == rights
    assert lefts[: written + 1] == [b"%08d" % number for number in range(written + 1)]
