from rocksdict import WriteBatch

from tests.support.stores.log_stores import opened


def test_an_atomic_write_reaches_both_families_or_none(tmp_path):
    with opened(tmp_path) as store:
        write = store.new_write()
        write.put(b"H row", b"1")
        write.put_batch(b"batch", b"2")
        assert isinstance(write.changes, WriteBatch)
        assert store.reader.row(b"H row") is None
        store.write(write, 1)
        assert store.reader.row(b"H row") == b"1"


def test_changes_take_effect_in_their_order(tmp_path):
    with opened(tmp_path) as store:
        write = store.new_write()
        for number in range(5):
            write.put(b"row%d" % number, b"")
        write.delete(b"row0")
        write.delete_rows(b"row2", b"row4")
        write.put(b"row3", b"again")
        store.write(write, 0)
        assert [key for key, _ in store.reader.rows(b"row", b"rox")] == [b"row1", b"row3", b"row4"]


def test_a_batch_can_be_deleted(tmp_path):
    with opened(tmp_path) as store:
        for change in ("put_batch", "delete_batch"):
            write = store.new_write()
            getattr(write, change)(*((b"batch", b"2") if change == "put_batch" else (b"batch",)))
            store.write(write, 0)
            assert (get_batch(store, b"batch") is None) == (change == "delete_batch")


def test_batches_go_to_the_family_that_their_generation_names(tmp_path):
    with opened(tmp_path) as store:
        write = store.new_write()
        write.put_batch(b"\x00plain", b"1")
        write.put(b"\x80compacted", b"2", write.family(b"\x80"))
        store.write(write, 3)
        plain, compacted = (dict(family.items()) for family in store._database.batch_families)
        assert (plain, compacted) == ({b"\x00plain": b"1"}, {b"\x80compacted": b"2"})
        write = store.new_write()
        write.delete_batches(b"\x80", b"\x81")
        store.write(write, 0)
        plain, compacted = (dict(family.items()) for family in store._database.batch_families)
        assert (plain, compacted) == ({b"\x00plain": b"1"}, {})


def get_batch(store, key):
    return store._database.batch_families[0].get(key)
