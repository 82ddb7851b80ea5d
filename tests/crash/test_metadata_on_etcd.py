"""Three metadata services on a real etcd, under load: leaders are killed and paused, etcd too.

Produce and fetch never notice; what changes the cluster works again as soon as there is a leader.
"""

import itertools
from contextlib import contextmanager
from uuid import uuid4

import grpc
import pytest

from common.etcd.client import EtcdClient
from common.ports.metadata import Topic
from gateway_svc.wire.error_code import ErrorCode
from metadata_svc.state import keys, rows
from protos.etcd.v3 import rpc_pb2 as pb
from protos.metadata.v1.metadata_pb2 import CreateTopicsRequest, NewTopic
from protos.metadata.v1.metadata_pb2_grpc import MetadataServiceStub
from tests.support.clients.checked_load import CheckedLoad
from tests.support.clients.raw_client import RawClient
from tests.support.processes.etcd import EtcdMembers
from tests.support.processes.etcd_cluster import EtcdCluster
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

PREFIX = b"/ringlog/"
SOME = 50


@pytest.fixture
def lease_ms():
    """Lease of the product; tests that are not about its expiry use a longer one."""
    return "6000"


@pytest.fixture
def cluster(tmp_path, lease_ms):
    settings = {"etcd_session_timeout_ms": lease_ms}
    with EtcdCluster(tmp_path, partitions=2, gateways=2, **settings) as running:
        yield running


@pytest.fixture
def load(cluster):
    with CheckedLoad(cluster.bootstrap, "loaded", partitions=4) as running:
        running.wait_for_acknowledged(SOME)
        yield running


def create_topic(cluster, gateway="gateway-0"):
    """Creates a topic as admin clients do: again while the outcome is unknown.

    A call that was on its way to a leader that is killed is answered so.
    """
    name = f"topic-{uuid4().hex[:12]}"

    def attempt(raw):
        try:
            return raw.create_topic(name=name)
        except AssertionError as refused:
            error_code, _ = refused.args[0]
            if error_code == ErrorCode.TOPIC_ALREADY_EXISTS:
                return name
            if error_code != ErrorCode.REQUEST_TIMED_OUT:
                raise
            return None

    with RawClient(cluster.kafka_address(gateway)) as raw:
        return eventually(lambda: attempt(raw))


def topics_in_etcd(cluster):
    start, end = (PREFIX + b"data/" + bound for bound in keys.TOPICS)
    with EtcdClient(cluster.etcd.address.split(",")) as client:
        found = client.range(pb.RangeRequest(key=start, range_end=end)).kvs
    topics: list[Topic] = [rows.decode_topic(entry.value) for entry in found]
    return {topic.name for topic in topics}


def test_a_killed_leader_is_followed_by_another_and_no_client_notices(cluster, load):
    leader = cluster.wait_for_leader()
    before = create_topic(cluster)
    cluster.kill(leader)
    load.wait_for_acknowledged(SOME)
    # Waits for the election, within the time that the request gives.
    after = create_topic(cluster, "gateway-1")
    second = cluster.wait_for_leader(other_than=leader)
    cluster.processes[second].wait_for_line("elected, term")
    # Who comes back stands by.
    cluster.start(leader)
    cluster.processes[leader].wait_for_line(f"standing by: .*:{port(cluster, second)} leads")
    load.wait_for_acknowledged(SOME)
    assert {before, after, "loaded"} <= topics_in_etcd(cluster)
    load.finish().assert_clean(unnoticed=True)


def port(cluster, name):
    return cluster.grpc_address(name).rpartition(":")[2]


@pytest.mark.parametrize("lease_ms", ["600000"])
def test_a_stopped_leader_hands_over_without_waiting_for_its_lease(cluster, load):
    leader = cluster.wait_for_leader()
    assert cluster.processes[leader].terminate() == 0
    cluster.wait_for_leader(other_than=leader)
    create_topic(cluster)
    load.finish().assert_clean(unnoticed=True)


def test_a_leader_that_stood_still_neither_answers_nor_writes_when_it_wakes(cluster, load):
    sleeper = cluster.wait_for_leader()
    with RawClient(cluster.kafka_address("gateway-0")) as raw, asked(cluster, sleeper) as ask:
        cluster.processes[sleeper].pause()
        answers = [ask("dreamt")]
        second = cluster.wait_for_leader(other_than=sleeper)
        names = [raw.create_topic() for _ in range(3)]
        load.wait_for_acknowledged(SOME)
        answers.append(ask("dreamt again"))
        cluster.processes[sleeper].resume()
        assert cluster.processes[sleeper].wait_for_exit() == 1
        assert {answer.code() for answer in answers} == {grpc.StatusCode.UNAVAILABLE}
    assert cluster.processes[sleeper].lines_with("lost the leadership: .*lease")
    assert cluster.leaders() == [second]
    assert set(names) | {"loaded"} == topics_in_etcd(cluster)
    load.finish().assert_clean(unnoticed=True)


@contextmanager
def asked(cluster, name):
    """Sends CreateTopics to one metadata service, on a connection that stands already."""
    with grpc.insecure_channel(cluster.grpc_address(name)) as channel:
        grpc.channel_ready_future(channel).result(timeout=30)
        stub = MetadataServiceStub(channel)

        def ask(topic):
            request = CreateTopicsRequest(topics=[NewTopic(name=topic)], timeout_ms=30_000)
            return stub.CreateTopics.future(request, timeout=60)

        yield ask


def test_clients_work_without_etcd_and_topics_are_created_after_it_returns(cluster, load):
    leader = cluster.processes[cluster.wait_for_leader()]
    cluster.etcd.kill()
    load.wait_for_acknowledged(SOME)
    # Without etcd no process can know that it still leads.
    assert leader.wait_for_exit() == 1
    load.wait_for_acknowledged(SOME)
    cluster.etcd.start()
    cluster.wait_for_admin()
    create_topic(cluster)
    load.finish().assert_clean(unnoticed=True)


def test_etcd_may_lose_one_of_three_members_and_its_quorum_for_a_while(tmp_path):
    etcd = EtcdMembers(tmp_path, 3)
    settings = {"etcd_session_timeout_ms": "6000"}
    with (
        EtcdCluster(tmp_path, etcd=etcd, partitions=2, gateways=2, **settings) as cluster,
        CheckedLoad(cluster.bootstrap, "loaded", partitions=4) as load,
    ):
        # Its producer has an id from now on, which only a metadata service can give.
        load.wait_for_acknowledged(SOME)
        etcd.members[0].kill()
        cluster.wait_for_admin()
        kept = create_topic(cluster)
        leader = cluster.processes[cluster.wait_for_leader()]
        etcd.members[1].kill()
        # Without a quorum etcd renews no lease, so the leader must end.
        assert leader.wait_for_exit() == 1
        load.wait_for_acknowledged(SOME)
        etcd.members[0].start()
        cluster.wait_for_admin()
        created = create_topic(cluster)
        load.wait_for_acknowledged(SOME)
        assert {kept, created, "loaded"} <= topics_in_etcd(cluster)
        load.finish().assert_clean(unnoticed=True)


def test_revisions_grow_by_one_writer_after_the_other(cluster):
    """Every write in etcd's history: terms grow, and counts within them, and so do revisions."""
    terms = []
    for _ in range(3):
        leader = cluster.wait_for_leader()
        create_topic(cluster)
        cluster.kill(leader)
        create_topic(cluster)
        cluster.start_those_that_ended()
    written = history(cluster, PREFIX + b"written")
    revisions = history(cluster, PREFIX + b"data/" + keys.REVISION_KEY)
    marks = [tuple(int(part) for part in value.split(b".")) for value in written]
    assert marks == sorted(set(marks))
    terms = list(dict.fromkeys(term for term, _ in marks))
    assert len(terms) >= 4
    assert [count for _, count in marks] == [
        count for term in terms for count in range(1, 1 + sum(one == term for one, _ in marks))
    ]
    numbers = [keys.decode_number(value) for value in revisions]
    assert all(later == earlier + 1 for earlier, later in itertools.pairwise(numbers))


def history(cluster, key):
    """Every value that `key` ever had, in order."""
    values = []
    with EtcdClient(cluster.etcd.address.split(",")) as client:
        newest = client.range(pb.RangeRequest(key=key)).kvs
        while newest:
            values.append(newest[0].value)
            revision = newest[0].mod_revision - 1
            newest = client.range(pb.RangeRequest(key=key, revision=revision)).kvs
    return values[::-1]
