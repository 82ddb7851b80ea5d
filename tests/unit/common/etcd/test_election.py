import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from common.etcd.client import EtcdClient, EtcdUnavailable
from common.etcd.election import Election
from protos.etcd.v3 import rpc_pb2 as pb
from tests.support.processes.etcd import TTL_S, wait_until_elected

WITHIN_S = 60


@pytest.fixture
def pool():
    with ThreadPoolExecutor() as pool:
        yield pool


class Standby:
    """A candidate that campaigns in a thread; `is_standing_by` is set when it does."""

    def __init__(self, pool, client, prefix, name="second"):
        self.is_standing_by = threading.Event()
        self.election = Election(client, prefix=prefix, name=name, ttl_s=TTL_S)
        self.campaign = pool.submit(self.election.campaign, self.is_standing_by.set)

    def wait_until_standing_by(self):
        assert self.is_standing_by.wait(WITHIN_S)
        assert not self.campaign.done()


def test_a_single_candidate_is_elected_and_its_name_written(client, prefix):
    leadership = wait_until_elected(client, prefix, "first")
    (entry,) = client.range(pb.RangeRequest(key=prefix + b"leader")).kvs
    assert (entry.value, entry.create_revision) == (b"first", leadership.term)
    leadership.resign()


def test_a_second_candidate_stands_by_until_the_leader_resigns(client, prefix, pool):
    first = wait_until_elected(client, prefix)
    standby = Standby(pool, client, prefix)
    standby.wait_until_standing_by()
    assert first.is_held
    first.resign()
    second = standby.campaign.result(WITHIN_S)
    assert second.is_held
    assert second.term > first.term
    second.resign()


def test_one_of_many_candidates_leads_at_a_time(client, prefix, pool):
    waiting = [Standby(pool, client, prefix, f"candidate-{n}") for n in range(4)]
    terms = []
    while waiting:
        winner = first_to_win(waiting)
        waiting.remove(winner)
        assert not any(candidate.campaign.done() for candidate in waiting)
        terms.append(winner.campaign.result().term)
        winner.campaign.result().resign()
    assert terms == sorted(set(terms))


def first_to_win(waiting):
    is_won = threading.Event()
    for candidate in waiting:
        candidate.campaign.add_done_callback(lambda _: is_won.set())
    assert is_won.wait(WITHIN_S)
    return next(candidate for candidate in waiting if candidate.campaign.done())


def test_a_silent_leader_is_replaced_when_its_lease_expires(client, prefix, pool):
    lease = client.grant_lease(2)
    entry = pb.PutRequest(key=prefix + b"leader", value=b"silent", lease=lease.ID)
    client.transact(pb.TxnRequest(success=[pb.RequestOp(request_put=entry)]))
    standby = Standby(pool, client, prefix)
    standby.wait_until_standing_by()
    standby.campaign.result(WITHIN_S).resign()


def test_a_restarted_leader_does_not_wait_for_its_own_old_lease(client, prefix, pool):
    lease = client.grant_lease(600)
    entry = pb.PutRequest(key=prefix + b"leader", value=b"metadata-0:9392", lease=lease.ID)
    client.transact(pb.TxnRequest(success=[pb.RequestOp(request_put=entry)]))
    standby = Standby(pool, client, prefix, "metadata-1:9392")
    standby.wait_until_standing_by()
    restarted = Standby(pool, client, prefix, "metadata-0:9392")
    winner = first_to_win([standby, restarted])
    winner.campaign.result().resign()
    for candidate in (standby, restarted):
        candidate.campaign.result(WITHIN_S).resign()


def test_a_leader_cannot_write_after_its_successor_ended_its_session(client, prefix):
    first = wait_until_elected(client, prefix, "same")
    second = wait_until_elected(client, prefix, "same")
    response = client.transact(pb.TxnRequest(compare=[first.condition]))
    assert not response.succeeded
    assert second.is_held
    second.resign()
    first.resign()


def test_a_candidate_that_withdraws_is_never_elected_and_ends_at_once(client, prefix, pool):
    first = wait_until_elected(client, prefix)
    standby = Standby(pool, client, prefix)
    standby.wait_until_standing_by()
    standby.election.withdraw()
    assert standby.campaign.result(WITHIN_S) is None
    first.resign()


def test_a_candidate_waits_for_an_etcd_that_starts_later(own_etcd, pool, caplog):
    caplog.set_level("INFO")
    own_etcd.kill()
    with EtcdClient([own_etcd.address]) as client:
        election = Election(client, prefix=b"/", name="patient", ttl_s=TTL_S)
        campaign = pool.submit(election.campaign, lambda: None)
        own_etcd.start()
        campaign.result(WITHIN_S).resign()


def test_a_candidate_that_waits_for_etcd_can_withdraw(own_etcd, pool):
    own_etcd.kill()
    with EtcdClient([own_etcd.address]) as client:
        election = Election(client, prefix=b"/", name="patient", ttl_s=TTL_S)
        campaign = pool.submit(election.campaign, lambda: None)
        election.withdraw()
        assert campaign.result(WITHIN_S) is None


def test_a_candidate_with_an_unknown_outcome_revokes_its_lease_and_retries(client, prefix):
    class LosingResponse:
        """Loses the response to the first transaction."""

        loses_next = True

        def __getattr__(self, name):
            return getattr(client, name)

        def transact(self, request):
            response = client.transact(request)
            if self.loses_next:
                self.loses_next = False
                raise EtcdUnavailable("no response")
            return response

    leadership = wait_until_elected(LosingResponse(), prefix)
    (entry,) = client.range(pb.RangeRequest(key=prefix + b"leader")).kvs
    assert entry.create_revision == leadership.term
    leadership.resign()
