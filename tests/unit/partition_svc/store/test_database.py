from threading import Event, Thread

import pytest

from partition_svc.store.atomic_write import PUT
from partition_svc.store.database import Database
from partition_svc.store.failures import StorageFailed, StoreInUse
from tests.support.stores.bit_rot import damage
from tests.support.stores.full_disk import files_limited_to


def test_close_releases_the_lock(tmp_path):
    first = Database(tmp_path)
    with pytest.raises(StoreInUse):
        Database(tmp_path)
    first.close()
    Database(tmp_path).close()


def test_a_reader_needs_no_lock_and_cannot_write(tmp_path):
    writer = Database(tmp_path)
    writer.state.put(b"a", b"1")
    reader = Database(tmp_path, is_writable=False)
    assert not reader.is_writable
    assert reader.state.get(b"a") == b"1"
    with pytest.raises(Exception, match="read only"):
        reader.state.put(b"b", b"2")
    reader.close()
    writer.close()


def test_opening_a_missing_database_to_read_raises_storage_failed(tmp_path):
    with pytest.raises(StorageFailed):
        Database(tmp_path / "none", is_writable=False)


def test_properties_are_numbers_and_unknown_ones_are_zero(tmp_path):
    database = Database(tmp_path)
    assert database.number("rocksdb.num-immutable-mem-table") == 0
    assert database.number("rocksdb.no-such-thing") == 0
    database.close()


def test_properties_of_a_database_that_is_being_reopened_fail_like_reads(tmp_path):
    database = Database(tmp_path)
    database.close()
    for read in (
        database.unflushed_bytes,
        lambda: database.number("rocksdb.num-files-at-level0"),
        lambda: database.sequence,
    ):
        with pytest.raises(StorageFailed):
            read()


def start_compaction(database):
    """Starts a compaction of all batches in a thread; returns once it is about to begin."""
    begun, outcome = Event(), []

    def compact():
        begun.set()
        try:
            database.compact(b"\x00", b"\x7f")
            outcome.append("done")
        except StorageFailed as error:
            outcome.append(str(error))

    thread = Thread(target=compact)
    thread.start()
    begun.wait()
    return thread, outcome


def test_a_compaction_does_nothing_if_stopped_before_it_begins(tmp_path):
    database = Database(tmp_path)
    database.stop_compacting()
    thread, outcome = start_compaction(database)
    thread.join()
    assert outcome == ["the database is being closed"]
    database.close()


def test_closing_does_not_wait_for_a_compaction(tmp_path):
    """On a busy machine a compaction may end before it is stopped; then the test tries again."""
    for number in range(20):
        path = tmp_path / str(number)
        if stop_compaction(path) == ["the database is being closed"]:
            break
    else:
        pytest.fail("no compaction was stopped")
    reopened = Database(path)
    assert reopened.batch_families[0].get(b"1") == b"x" * 100_000
    thread, outcome = start_compaction(reopened)
    thread.join()
    assert outcome == ["done"]
    reopened.close()
    with pytest.raises(StorageFailed):
        reopened.compact(b"\x00", b"\x7f")


def stop_compaction(path):
    database = Database(path)
    for number in range(40):
        for key in range(20):
            database.batch_families[0].put(b"%d" % key, b"x" * 100_000)
        database.batch_families[0].flush(wait=number % 8 == 7)
    thread, outcome = start_compaction(database)
    database.stop_compacting()
    thread.join()
    database.close()
    return outcome


def test_unflushed_bytes_counts_writes_that_are_not_in_files_yet(tmp_path):
    database = Database(tmp_path)
    before = database.unflushed_bytes()
    database.batch_families[0].put(b"a", b"x" * 3_000_000)
    assert database.unflushed_bytes() - before >= 3_000_000
    database.batch_families[0].flush(wait=True)
    assert database.unflushed_bytes() <= before
    database.close()


def test_closing_twice_is_no_error_and_later_calls_fail(tmp_path):
    database = Database(tmp_path)
    database.close()
    database.close()
    with pytest.raises(Exception, match="closed"):
        database.state.get(b"a")


def test_a_missing_database_is_not_created_without_permission(tmp_path):
    with pytest.raises(StorageFailed):
        Database(tmp_path / "none", may_create=False)
    Database(tmp_path).close()
    Database(tmp_path, may_create=False).close()


def test_a_compaction_that_cannot_write_its_files_fails(tmp_path):
    database = Database(tmp_path)
    for _ in range(2):
        for key in range(20):
            database.batch_families[0][key.to_bytes(4, "big")] = bytes(50_000)
        database.batch_families[0].flush()
    with (
        files_limited_to(500_000),
        pytest.raises(StorageFailed, match="could not be rewritten"),
    ):
        database.compact(b"\x00", b"\x7f")
    database.close()
    reopened = Database(tmp_path)
    reopened.compact(b"\x00", b"\x7f")
    assert len([file for file in reopened.state.live_files() if file["size"] > 500_000]) == 1
    reopened.close()


def test_marker_in_a_damaged_block_counts_as_none(tmp_path, caplog):
    database = Database(tmp_path)
    database.write([(1, PUT, [b"\0\0\0\1key", b"batch"]), (0, PUT, [b"state", b"row"])], 7, 1)
    database.flush(wait=True)
    assert database.markers() == [7, 7, 0]
    database.close()
    damage(tmp_path, b"batch")
    database = Database(tmp_path)
    assert database.markers() == [7, 0, 0]
    assert "a marker cannot be read" in caplog.text
    database.close()
