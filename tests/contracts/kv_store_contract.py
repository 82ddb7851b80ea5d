"""Contract of `KvStore`. Subclasses provide a `store` fixture."""

import pytest

from common.kv.store import KvStore, KvStoreFailed, WriteBatch


def put(store: KvStore, **entries: str) -> None:
    batch = WriteBatch()
    for key, value in entries.items():
        batch.put(key.encode(), value.encode())
    store.write(batch, sync=True)


class KvStoreContract:
    def test_an_unknown_key_has_no_value(self, store):
        assert store.get(b"missing") is None

    def test_a_written_value_is_read_back(self, store):
        put(store, a="1", b="2")
        assert (store.get(b"a"), store.get(b"b")) == (b"1", b"2")

    def test_an_empty_value_is_not_none(self, store):
        put(store, a="")
        assert store.get(b"a") == b""

    def test_a_deleted_key_has_no_value_and_deleting_it_again_is_no_error(self, store):
        put(store, a="1")
        for _ in range(2):
            batch = WriteBatch()
            batch.delete(b"a")
            store.write(batch, sync=False)
        assert store.get(b"a") is None

    def test_changes_of_one_batch_take_effect_in_their_order(self, store):
        batch = WriteBatch()
        batch.put(b"a", b"1")
        batch.delete(b"a")
        batch.put(b"a", b"2")
        batch.put(b"b", b"1")
        batch.delete(b"b")
        store.write(batch, sync=True)
        assert (store.get(b"a"), store.get(b"b")) == (b"2", None)

    def test_a_batch_can_be_written_twice(self, store):
        batch = WriteBatch()
        batch.put(b"a", b"1")
        store.write(batch, sync=True)
        store.write(batch, sync=True)
        assert store.scan(b"", b"\xff") == [(b"a", b"1")]

    def test_an_empty_batch_changes_nothing(self, store):
        put(store, a="1")
        store.write(WriteBatch(), sync=True)
        assert store.scan(b"", b"\xff") == [(b"a", b"1")]

    def test_a_scan_includes_its_start_and_excludes_its_end(self, store):
        put(store, a="1", b="2", c="3", d="4")
        assert store.scan(b"b", b"d") == [(b"b", b"2"), (b"c", b"3")]

    def test_keys_sort_as_unsigned_bytes(self, store):
        keys = [b"\x00", b"\x00\x00", b"\x7f", b"\x80", b"\xfe\xff"]
        batch = WriteBatch()
        for key in reversed(keys):
            batch.put(key, b"")
        store.write(batch, sync=True)
        assert [key for key, _ in store.scan(b"", b"\xff")] == keys

    def test_a_scan_of_an_empty_range_is_empty(self, store):
        put(store, a="1")
        assert store.scan(b"b", b"c") == []

    def test_after_close_every_call_fails_and_closing_again_does_not(self, store):
        store.close()
        for call in (
            lambda: store.get(b"a"),
            lambda: store.scan(b"", b"\xff"),
            lambda: put(store, a="1"),
        ):
            with pytest.raises(KvStoreFailed):
                call()
        store.close()
