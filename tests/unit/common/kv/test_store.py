from common.kv.store import WriteBatch


def test_a_batch_holds_its_changes_in_order():
    batch = WriteBatch()
    batch.put(b"b", b"1")
    batch.delete(b"a")
    assert list(batch) == [(b"b", b"1"), (b"a", None)]
    assert len(batch) == 2
