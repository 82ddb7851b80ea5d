from partition_svc.store.atomic_write import DELETE, PUT, STATE, AtomicWrite, batch_family
from partition_svc.store.keys import GENERATION_BYTES
from tests.support.stores.log_stores import opened


def test_an_atomic_write_reaches_both_families_or_none(tmp_path):
    with opened(tmp_path) as store:
        write = store.new_write()
        write.put(b"H row", b"1")
        write.put_batch(b"batch", b"2")
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
        write.puts(batch_family(b"\x80")).extend((b"\x80compacted", b"2"))
        store.write(write, 3)
        plain, compacted = batches(store)
        assert (plain, compacted) == ({b"\x00plain": b"1"}, {b"\x80compacted": b"2"})
        write = store.new_write()
        write.delete_batches(b"\x80", b"\x81")
        store.write(write, 0)
        plain, compacted = batches(store)
        assert (plain, compacted) == ({b"\x00plain": b"1"}, {})


def batches(store):
    """Rows of both families of batches, without the markers of the journal."""
    for family in store._database.batch_families:
        yield {key: row for key, row in family.items() if len(key) > GENERATION_BYTES}


def test_changes_of_a_kind_are_one_run_for_each_family():
    write = AtomicWrite()
    write.put(b"a", b"1")
    write.put_batch(b"\x00plain", b"2")
    write.put(b"b", b"3")
    write.delete(b"c")
    write.delete(b"d")
    write.put(b"c", b"4")
    assert write.changes == [
        (STATE, PUT, [b"a", b"1", b"b", b"3"]),
        (1, PUT, [b"\x00plain", b"2"]),
        (STATE, DELETE, [b"c", b"d"]),
        (STATE, PUT, [b"c", b"4"]),
    ]


def get_batch(store, key):
    return store._database.batch_families[0].get(key)
