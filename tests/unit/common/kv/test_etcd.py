import random

import pytest

from common.etcd.client import EtcdUnavailable
from common.kv.etcd import OPERATIONS_MAX, REQUEST_BYTES_MAX, EtcdKvStore
from common.kv.store import KvStoreFailed, WriteBatch
from protos.etcd.v3 import rpc_pb2 as pb
from tests.contracts.kv_store_contract import KvStoreContract, put
from tests.support.processes.etcd import wait_until_elected

#: More than etcd accepts in one transaction, and more than a page of a scan.
MANY = 1_500


@pytest.fixture
def open_store(client, prefix):
    """Opens a store as a new leader, whose predecessor has resigned."""
    leaders = []

    def open_as_leader(through=None):
        for past in leaders:
            past.resign()
        leaders.append(wait_until_elected(client, prefix))
        store = EtcdKvStore(through or client, prefix=prefix)
        store.lead(leaders[-1])
        return store

    yield open_as_leader
    for leader in leaders:
        leader.resign()


@pytest.fixture
def store(open_store):
    store = open_store()
    yield store
    store.close()


class TestEtcdKvStore(KvStoreContract):
    """Runs the contract with the module's fixture `store`."""


def big_batch(value):
    batch = WriteBatch()
    for number in range(MANY):
        batch.put(b"%04d" % number, value)
    return batch


def scan_all(store):
    return store.scan(b"", b"\xff")


def test_a_batch_larger_than_a_transaction_is_read_back(store):
    put(store, removed="1")
    batch = big_batch(b"x")
    batch.delete(b"removed")
    store.write(batch, sync=True)
    assert scan_all(store) == [(b"%04d" % number, b"x") for number in range(MANY)]


def test_a_batch_larger_than_a_request_is_read_back(store):
    values = {b"%d" % number: random.randbytes(REQUEST_BYTES_MAX - 100) for number in range(3)}
    batch = WriteBatch()
    for key, value in values.items():
        batch.put(key, value)
    store.write(batch, sync=True)
    assert dict(scan_all(store)) == values


def test_a_page_of_the_largest_values_is_read_back(store):
    for number in range(120):
        batch = WriteBatch()
        batch.put(b"%03d" % number, bytes(REQUEST_BYTES_MAX - 100))
        store.write(batch, sync=True)
    assert [len(value) for _, value in scan_all(store)] == [REQUEST_BYTES_MAX - 100] * 120


def test_a_value_that_is_too_large_for_etcd_is_refused_and_changes_nothing(store):
    put(store, a="1")
    batch = WriteBatch()
    batch.put(b"a", b"2")
    batch.put(b"b", bytes(REQUEST_BYTES_MAX))
    with pytest.raises(KvStoreFailed, match="bytes under one key"):
        store.write(batch, sync=True)
    assert scan_all(store) == [(b"a", b"1")]


def test_clusters_with_different_prefixes_are_separate(client, prefix, store):
    put(store, a="1")
    leader = wait_until_elected(client, prefix + b"other/")
    other = EtcdKvStore(client, prefix=prefix + b"other/")
    other.lead(leader)
    put(other, b="2")
    assert (scan_all(store), scan_all(other)) == ([(b"a", b"1")], [(b"b", b"2")])
    leader.resign()


def test_every_call_fails_before_the_election(client, prefix):
    with pytest.raises(KvStoreFailed, match="does not lead"):
        EtcdKvStore(client, prefix=prefix).get(b"a")


class DyingClient:
    """A client of a process that dies before (or after) one of its transactions."""

    def __init__(self, client, *, last):
        self._client = client
        self._remaining = last
        self.is_dead = False

    def range(self, request):
        return self._alive().range(request)

    def transact(self, request):
        if self._remaining == 0:
            self.is_dead = True
        self._remaining -= 1
        return self._alive().transact(request)

    def _alive(self):
        if self.is_dead:
            raise EtcdUnavailable("dead")
        return self._client


def count_transactions_of_a_big_batch():
    """Returns the sum of: first cleanup, staging, decision, copying, last cleanup."""
    chunks = -(-MANY // OPERATIONS_MAX)
    return 1 + chunks + 1 + chunks + 1


@pytest.mark.parametrize("last", range(count_transactions_of_a_big_batch() + 1))
def test_a_leader_that_dies_within_a_large_batch_leaves_all_of_it_or_nothing(
    client, prefix, open_store, last
):
    old = open_store()
    old.write(big_batch(b"old"), sync=True)
    dying = DyingClient(client, last=last)
    store = open_store(dying)
    leader = store._writes._term
    wait = leader.wait

    def lose_and_wait(seconds):
        leader.mark_lost("dead")
        return wait(seconds)

    leader.wait = lose_and_wait
    if last < count_transactions_of_a_big_batch():
        with pytest.raises(KvStoreFailed):
            store.write(big_batch(b"new"), sync=True)
    else:
        store.write(big_batch(b"new"), sync=True)
    entries = scan_all(open_store())
    chunks = -(-MANY // OPERATIONS_MAX)
    decided = 1 + chunks + 1
    assert len(entries) == MANY
    assert {value for _, value in entries} == {b"new" if last >= decided else b"old"}
    assert not leftover_keys(client, prefix)


def leftover_keys(client, prefix):
    journal = prefix + b"journal/"
    entries = client.range(pb.RangeRequest(key=journal, range_end=journal + b"\xff"))
    return [entry.key for entry in entries.kvs]


def test_a_batch_that_failed_while_staged_leaves_nothing_for_the_next_one(
    client, prefix, open_store
):
    class FullClient:
        """Refuses the second chunk of a batch, once."""

        is_full = True

        def range(self, request):
            return client.range(request)

        def transact(self, request):
            keys = [operation.request_put.key for operation in request.success]
            if self.is_full and keys and keys[0].endswith(b"journal/00000004"):
                self.is_full = False
                wrong = [pb.RequestOp(request_put=pb.PutRequest(key=b""))]
                return client.transact(pb.TxnRequest(compare=request.compare, success=wrong))
            return client.transact(request)

    store = open_store(FullClient())
    with pytest.raises(KvStoreFailed):
        store.write(big_batch(b"first"), sync=True)
    batch = WriteBatch()
    for number in range(2 * OPERATIONS_MAX):
        batch.put(b"%04d" % number, b"second")
    store.write(batch, sync=True)
    assert scan_all(store) == [(b"%04d" % n, b"second") for n in range(2 * OPERATIONS_MAX)]
