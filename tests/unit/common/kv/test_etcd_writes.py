import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from common.etcd.client import EtcdRefused, EtcdUnavailable
from common.etcd.leadership import LeaderTerm, Lease
from common.kv import etcd_writes
from common.kv.etcd_writes import LeaderWrites
from common.kv.store import KvStoreFailed
from protos.etcd.v3 import rpc_pb2 as pb
from tests.support.processes.etcd import wait_until_elected


def put(key, value):
    return pb.RequestOp(request_put=pb.PutRequest(key=key, value=value))


class FaultyClient:
    """A client whose next transactions fail in the ways that `faults` lists."""

    def __init__(self, client):
        self._client = client
        self.faults = []
        self.late = []

    def range(self, request):
        return self._client.range(request)

    def transact(self, request):
        fault = self.faults.pop(0) if self.faults else None
        if fault == "response lost":
            self._client.transact(request)
        if fault == "delayed":
            self.late.append(request)
        if fault == "refused":
            raise EtcdRefused("no space")
        if fault is not None:
            raise EtcdUnavailable(fault)
        return self._client.transact(request)


@pytest.fixture
def faulty(client):
    return FaultyClient(client)


@pytest.fixture
def leadership(client, prefix):
    leadership = wait_until_elected(client, prefix)
    yield leadership
    leadership.resign()


@pytest.fixture
def writes(faulty, leadership, prefix):
    return LeaderWrites(faulty, leadership, prefix=prefix)


@pytest.fixture
def key(prefix):
    return prefix + b"key"


def entry(client, key):
    return client.range(pb.RangeRequest(key=key)).kvs[0]


def test_a_write_with_a_lost_response_is_executed_once(writes, faulty, client, key):
    writes.commit([put(key, b"1")])
    first = entry(client, key).mod_revision
    faulty.faults = ["response lost", "response lost"]
    writes.commit([put(key, b"2")])
    assert (entry(client, key).value, entry(client, key).mod_revision) == (b"2", first + 1)
    writes.commit([put(key, b"3")])
    assert entry(client, key).value == b"3"


def test_a_write_that_did_not_arrive_is_retried(writes, faulty, client, key):
    faulty.faults = ["lost", "lost"]
    writes.commit([put(key, b"1")])
    assert entry(client, key).value == b"1"


def test_a_write_that_etcd_executes_late_changes_nothing(writes, faulty, client, key):
    faulty.faults = ["delayed"]
    writes.commit([put(key, b"1")])
    writes.commit([put(key, b"2")])
    assert not client.transact(faulty.late[0]).succeeded
    assert entry(client, key).value == b"2"


@pytest.mark.parametrize("seed", range(10))
def test_each_write_is_executed_once_and_in_order_after_any_faults(
    writes, faulty, client, key, monkeypatch, seed
):
    monkeypatch.setattr(etcd_writes, "_RETRY_S_FIRST", 0.0)
    rng = random.Random(seed)
    kinds = [None, None, "lost", "response lost", "delayed"]
    for number in range(20):
        faulty.faults = [rng.choice(kinds) for _ in range(3)]
        writes.commit([put(key, b"%d" % number)])
        if faulty.late and rng.random() < 0.5:
            client.transact(faulty.late.pop(rng.randrange(len(faulty.late))))
    assert history(client, key) == [b"%d" % number for number in range(20)]


def history(client, key):
    """Returns every value that the key has had, in order."""
    values, entries = [], client.range(pb.RangeRequest(key=key)).kvs
    while entries:
        values.append(entries[0].value)
        earlier = pb.RangeRequest(key=key, revision=entries[0].mod_revision - 1)
        entries = client.range(earlier).kvs
    return values[::-1]


def test_a_write_waits_for_an_etcd_that_comes_back_within_the_lease(own_etcd, own_client):
    lease = Lease(own_client, 60)
    entry = pb.PutRequest(key=b"/leader", lease=lease.id)
    response = own_client.transact(pb.TxnRequest(success=[pb.RequestOp(request_put=entry)]))
    leadership = LeaderTerm(lease, b"/leader", response.header.revision)
    writes = LeaderWrites(own_client, leadership, prefix=b"/")
    writes.commit([put(b"/key", b"1")])
    own_etcd.kill()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(writes.commit, [put(b"/key", b"2")])
        own_etcd.start()
        writing.result(timeout=60)
    assert history(own_client, b"/key") == [b"1", b"2"]
    assert leadership.is_held
    leadership.resign()


def test_a_refused_write_is_not_executed_and_the_next_one_is(
    writes, faulty, leadership, client, key
):
    faulty.faults = ["refused"]
    with pytest.raises(KvStoreFailed, match="no space"):
        writes.commit([put(key, b"1")])
    assert leadership.is_held
    writes.commit([put(key, b"2")])
    assert entry(client, key).value == b"2"


def test_a_write_refused_after_an_unknown_outcome_ends_the_term(writes, faulty, leadership, key):
    faulty.faults = ["response lost", "refused"]
    with pytest.raises(KvStoreFailed, match="no longer the leader"):
        writes.commit([put(key, b"1")])
    assert "no space" in leadership.lost.result()


def test_a_former_leader_cannot_write_even_if_it_does_not_know_of_its_loss(client, prefix, key):
    class StaleLeadership:
        """Always held, as in a process whose clock has stopped."""

        def __init__(self, leadership):
            self.term, self.condition = leadership.term, leadership.condition
            self.is_held, self.reason = True, None

        def wait(self, seconds):
            return True

        def mark_lost(self, reason):
            self.reason = reason

    previous = wait_until_elected(client, prefix)
    stale = StaleLeadership(previous)
    stale_writes = LeaderWrites(client, stale, prefix=prefix)
    stale_writes.commit([put(key, b"previous")])
    previous.resign()
    current = wait_until_elected(client, prefix)
    # Before and after the new leader's first write.
    with pytest.raises(KvStoreFailed, match="another process leads"):
        stale_writes.commit([put(key, b"previous again")])
    LeaderWrites(client, current, prefix=prefix).commit([put(key, b"current")])
    with pytest.raises(KvStoreFailed, match="another process leads"):
        LeaderWrites(client, stale, prefix=prefix).commit([put(key, b"previous again")])
    assert entry(client, key).value == b"current"
    assert stale.reason == "another process leads"
    current.resign()


def test_writes_fail_after_the_end_of_the_term(writes, leadership, faulty, key):
    faulty.faults = ["lost"]
    leadership.resign()
    with pytest.raises(KvStoreFailed, match="no longer the leader"):
        writes.commit([put(key, b"1")])
    assert faulty.faults == ["lost"]
