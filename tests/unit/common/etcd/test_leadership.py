import threading
import time

import pytest

from common.etcd.client import EtcdRefused, EtcdUnavailable
from common.etcd.leadership import LeaderTerm, Lease
from protos.etcd.v3 import rpc_pb2 as pb
from tests.support.processes.etcd import wait_until_elected

WITHIN_S = 60


class ScriptedEtcd:
    """Grants leases; responds to renewals with the result of `renew`."""

    def __init__(self, ttl_s=20):
        self.ttl_s = ttl_s
        self.renew = lambda: ttl_s
        self.renewed = threading.Semaphore(0)
        self.revoked = []

    def grant_lease(self, ttl_s):
        return pb.LeaseGrantResponse(ID=7, TTL=self.ttl_s)

    def renew_lease(self, lease, timeout_s):
        assert (lease, 0 < timeout_s <= self.ttl_s) == (7, True)
        ttl_s = self.renew()
        self.renewed.release()
        return ttl_s

    def revoke_lease(self, lease):
        self.revoked.append(lease)


def fail(error):
    raise error


@pytest.fixture
def etcd(monkeypatch):
    """A fake etcd whose lease of 20 s is renewed every tenth of a second."""
    monkeypatch.setattr("common.etcd.leadership._RENEWALS_PER_LEASE", 200)
    return ScriptedEtcd()


@pytest.fixture
def leadership(etcd):
    leadership = LeaderTerm(Lease(etcd, 20), b"leader", 5)
    yield leadership
    leadership.resign()


def wait_for_renewals(etcd, count):
    for _ in range(count):
        assert etcd.renewed.acquire(timeout=WITHIN_S)


def test_renewals_extend_the_term(etcd):
    lease = Lease(etcd, 20)
    leadership = LeaderTerm(lease, b"leader", 5)
    until = lease.until
    wait_for_renewals(etcd, 3)
    assert lease.until > until
    assert leadership.is_held
    assert not leadership.lost.done()
    leadership.resign()


def test_an_expired_lease_ends_the_term(etcd, leadership):
    etcd.renew = lambda: 0
    assert "is over" in leadership.lost.result(WITHIN_S)
    assert not leadership.is_held


def test_a_refused_renewal_ends_the_term(etcd, leadership):
    etcd.renew = lambda: fail(EtcdRefused("no permission"))
    assert "no permission" in leadership.lost.result(WITHIN_S)


def test_a_term_without_responses_ends_when_the_lease_may_have_expired():
    etcd = ScriptedEtcd(ttl_s=1)
    etcd.renew = lambda: fail(EtcdUnavailable("no server"))
    lease = Lease(etcd, 1)
    leadership = LeaderTerm(lease, b"leader", 5)
    assert "not renewed within its 1 s" in leadership.lost.result(WITHIN_S)
    assert time.monotonic() >= lease.until
    assert not leadership.is_held
    leadership.resign()


def test_a_failed_renewal_has_no_effect_if_the_next_one_succeeds(etcd, leadership):
    failures = [EtcdUnavailable("once"), EtcdUnavailable("twice")]
    etcd.renew = lambda: fail(failures.pop()) if failures else etcd.ttl_s
    wait_for_renewals(etcd, 3)
    assert not failures
    assert leadership.is_held


def test_a_process_suspended_for_longer_than_the_lease_does_not_lead(etcd, monkeypatch):
    leadership = LeaderTerm(Lease(etcd, 20), b"leader", 5)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 100)
    # Even before any renewal: the clock alone decides.
    assert not leadership.is_held
    assert "not renewed within its 20 s" in leadership.lost.result(WITHIN_S)
    leadership.resign()


def test_resigning_ends_the_lease_and_is_no_loss(etcd, leadership):
    leadership.resign()
    assert (leadership.is_held, leadership.lost.done(), etcd.revoked) == (False, False, [7])
    assert not leadership.wait(100)


def test_only_the_first_reason_of_a_loss_is_kept(leadership):
    leadership.mark_lost("first")
    leadership.mark_lost("second")
    assert leadership.lost.result() == "first"


def test_the_condition_is_true_in_etcd_as_long_as_the_term_lasts(client, prefix):
    def holds(leadership):
        return client.transact(pb.TxnRequest(compare=[leadership.condition])).succeeded

    first = wait_until_elected(client, prefix)
    assert holds(first)
    first.resign()
    assert not holds(first)
    second = wait_until_elected(client, prefix)
    assert (holds(first), holds(second)) == (False, True)
    assert second.term > first.term
    second.resign()


def test_a_bug_in_the_renewal_thread_ends_the_term(etcd, leadership):
    etcd.renew = lambda: fail(ZeroDivisionError("a bug"))
    assert "a bug" in leadership.lost.result(WITHIN_S)
    assert not leadership.is_held
