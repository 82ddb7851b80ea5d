from rocksdict import WriteBatch

from tests.support.stores.log_stores import opened


def test_a_group_reaches_both_families_or_none(tmp_path):
    with opened(tmp_path) as store:
        group = store.new_write()
        group.put(b"H row", b"1")
        group.put_batch(b"batch", b"2")
        assert isinstance(group.changes, WriteBatch)
        assert store.reader.row(b"H row") is None
        store.write(group, 1)
        assert store.reader.row(b"H row") == b"1"


def test_changes_take_effect_in_their_order(tmp_path):
    with opened(tmp_path) as store:
        group = store.new_write()
        for number in range(5):
            group.put(b"row%d" % number, b"")
        group.delete(b"row0")
        group.delete_rows(b"row2", b"row4")
        group.put(b"row3", b"again")
        store.write(group, 0)
        assert [key for key, _ in store.reader.rows(b"row", b"rox")] == [b"row1", b"row3", b"row4"]


def test_a_batch_can_be_deleted(tmp_path):
    with opened(tmp_path) as store:
        for change in ("put_batch", "delete_batch"):
            group = store.new_write()
            getattr(group, change)(*((b"batch", b"2") if change == "put_batch" else (b"batch",)))
            store.write(group, 0)
            assert (family_get(store, b"batch") is None) == (change == "delete_batch")


def test_batches_go_to_the_family_that_their_generation_names(tmp_path):
    with opened(tmp_path) as store:
        group = store.new_write()
        group.put_batch(b"\x00plain", b"1")
        group.put(b"\x80compacted", b"2", group.family(b"\x80"))
        store.write(group, 3)
        plain, compacted = (dict(one.items()) for one in store._database.batch_families)
        assert (plain, compacted) == ({b"\x00plain": b"1"}, {b"\x80compacted": b"2"})
        group = store.new_write()
        group.delete_batches(b"\x80", b"\x81")
        store.write(group, 0)
        plain, compacted = (dict(one.items()) for one in store._database.batch_families)
        assert (plain, compacted) == ({b"\x00plain": b"1"}, {})


def family_get(store, key):
    return store._database.batch_families[0].get(key)
