import pytest

from partition_svc.store.database import Database
from partition_svc.store.failures import StorageFailed, StoreInUse


def test_closing_gives_up_the_lock(tmp_path):
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


def test_a_reader_of_nothing_is_a_failure(tmp_path):
    with pytest.raises(StorageFailed):
        Database(tmp_path / "none", is_writable=False)


def test_properties_are_numbers_and_unknown_ones_are_none_of_ours(tmp_path):
    database = Database(tmp_path)
    assert database.number("rocksdb.num-immutable-mem-table") == 0
    assert database.number("rocksdb.no-such-thing") == 0
    database.close()


def test_background_work_can_be_cancelled_before_closing(tmp_path):
    database = Database(tmp_path)
    database.batch_families[0].put(b"a", b"1")
    database.cancel_background_work()
    database.close()
    again = Database(tmp_path)
    assert again.batch_families[0].get(b"a") == b"1"
    again.close()


def test_closing_twice_is_no_error_and_everything_asked_afterwards_fails(tmp_path):
    database = Database(tmp_path)
    database.close()
    database.close()
    with pytest.raises(Exception, match="closed"):
        database.state.get(b"a")


def test_where_it_may_not_be_made_nothing_is(tmp_path):
    with pytest.raises(StorageFailed):
        Database(tmp_path / "none", may_create=False)
    Database(tmp_path).close()
    Database(tmp_path, may_create=False).close()
