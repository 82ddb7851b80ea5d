from rocksdict import Rdict

from partition_svc.store.options import database_options, family_options


def test_the_families_can_be_opened_with_their_options(tmp_path):
    options = database_options(with_statistics=True)
    families = family_options()
    assert set(families) == {"default", "batches", "compacted"}
    with Rdict(str(tmp_path), options, families) as database:
        database[b"a"] = b"1"
        assert "rocksdb.wal.bytes" in (options.get_statistics() or "")


def test_statistics_cost_nothing_unless_asked_for():
    assert database_options().get_statistics() is None
