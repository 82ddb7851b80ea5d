"""Three metadata services on a real etcd, under load: leaders and etcd are killed or paused.

Produce and fetch are not affected. Requests that change the cluster work again as soon as there is
a leader.
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
#: Acknowledgements that show that producers make progress.
SOME_RECORDS = 50


@pytest.fixture
def lease_ms():
    """Default of the product; tests that must not see the lease expire set a longer one."""
    return "6000"


@pytest.fixture
def cluster(tmp_path, lease_ms):
    settings = {"etcd_session_timeout_ms": lease_ms}
    with EtcdCluster(tmp_path, partitions=2, gateways=2, **settings) as running:
        yield running


@pytest.fixture
def load(cluster):
    with CheckedLoad(cluster.bootstrap, "loaded", partitions=4) as running:
        running.wait_for_acknowledged(SOME_RECORDS)
        yield running


def create_topic(cluster, gateway="gateway-0"):
    """Creates a topic as admin clients do, with retries while the outcome is unknown.

    The outcome of a call is unknown if its leader is killed.
    """
    name = f"topic-{uuid4().hex[:12]}"

    def attempt(raw):
        try:
            return raw.create_topic(name=name)
        except AssertionError as error:
            error_code, _ = error.args[0]
            if error_code == ErrorCode.TOPIC_ALREADY_EXISTS:
                return name
            if error_code != ErrorCode.REQUEST_TIMED_OUT:
                raise
            return None

    with RawClient(cluster.kafka_address(gateway)) as raw:
        return eventually(lambda: attempt(raw))


def read_topics_from_etcd(cluster):
    start, end = (PREFIX + b"data/" + bound for bound in keys.TOPICS)
    with EtcdClient(cluster.etcd.address.split(",")) as client:
        entries = client.range(pb.RangeRequest(key=start, range_end=end)).kvs
    topics: list[Topic] = [rows.decode_topic(entry.value) for entry in entries]
    return {topic.name for topic in topics}


def test_a_killed_leader_is_replaced_without_effect_on_clients(cluster, load):
    leader = cluster.wait_for_leader()
    before = create_topic(cluster)
    cluster.kill(leader)
    load.wait_for_acknowledged(SOME_RECORDS)
    # Waits for the election, within the timeout of the request.
    after = create_topic(cluster, "gateway-1")
    second = cluster.wait_for_leader(other_than=leader)
    cluster.processes[second].wait_for_line("elected, term")
    # The old leader comes back as a standby.
    cluster.start(leader)
    cluster.processes[leader].wait_for_line(f"standing by: .*:{port_of(cluster, second)} leads")
    load.wait_for_acknowledged(SOME_RECORDS)
    assert {before, after, "loaded"} <= read_topics_from_etcd(cluster)
    load.finish().assert_clean(unnoticed=True)


def port_of(cluster, name):
    return cluster.grpc_address(name).rpartition(":")[2]


@pytest.mark.parametrize("lease_ms", ["600000"])
def test_a_stopped_leader_hands_over_without_waiting_for_its_lease(cluster, load):
    leader = cluster.wait_for_leader()
    assert cluster.processes[leader].terminate() == 0
    cluster.wait_for_leader(other_than=leader)
    create_topic(cluster)
    load.finish().assert_clean(unnoticed=True)


def test_a_paused_leader_neither_answers_nor_writes_when_it_resumes(cluster, load):
    paused = cluster.wait_for_leader()
    with (
        RawClient(cluster.kafka_address("gateway-0")) as raw,
        open_create_topics(cluster, paused) as send,
    ):
        cluster.processes[paused].pause()
        replies = [send("sent-early")]
        second = cluster.wait_for_leader(other_than=paused)
        names = [raw.create_topic() for _ in range(3)]
        load.wait_for_acknowledged(SOME_RECORDS)
        replies.append(send("sent-late"))
        cluster.processes[paused].resume()
        assert cluster.processes[paused].wait_for_exit() == 1
        assert {reply.code() for reply in replies} == {grpc.StatusCode.UNAVAILABLE}
    assert cluster.processes[paused].lines_with("lost the leadership: .*lease")
    assert cluster.leaders() == [second]
    assert set(names) | {"loaded"} == read_topics_from_etcd(cluster)
    load.finish().assert_clean(unnoticed=True)


@contextmanager
def open_create_topics(cluster, name):
    """Yields a function that sends CreateTopics to one metadata service, on an open connection."""
    with grpc.insecure_channel(cluster.grpc_address(name)) as channel:
        grpc.channel_ready_future(channel).result(timeout=30)
        stub = MetadataServiceStub(channel)

        def send(topic):
            request = CreateTopicsRequest(topics=[NewTopic(name=topic)], timeout_ms=30_000)
            return stub.CreateTopics.future(request, timeout=60)

        yield send


def test_clients_work_without_etcd_and_topics_are_created_after_it_returns(cluster, load):
    leader = cluster.processes[cluster.wait_for_leader()]
    cluster.etcd.kill()
    load.wait_for_acknowledged(SOME_RECORDS)
    # Without etcd a leader cannot renew its lease, and must exit.
    assert leader.wait_for_exit() == 1
    load.wait_for_acknowledged(SOME_RECORDS)
    cluster.etcd.start()
    cluster.wait_for_admin()
    create_topic(cluster)
    load.finish().assert_clean(unnoticed=True)


def test_clients_work_while_etcd_loses_a_member_and_its_quorum(tmp_path):
    etcd = EtcdMembers(tmp_path, 3)
    settings = {"etcd_session_timeout_ms": "6000"}
    with (
        EtcdCluster(tmp_path, etcd=etcd, partitions=2, gateways=2, **settings) as cluster,
        CheckedLoad(cluster.bootstrap, "loaded", partitions=4) as load,
    ):
        # The load's producer now has its producer id, which a metadata service allocates.
        load.wait_for_acknowledged(SOME_RECORDS)
        etcd.members[0].kill()
        cluster.wait_for_admin()
        kept = create_topic(cluster)
        leader = cluster.processes[cluster.wait_for_leader()]
        etcd.members[1].kill()
        # Without a quorum etcd renews no lease, so the leader must end.
        assert leader.wait_for_exit() == 1
        load.wait_for_acknowledged(SOME_RECORDS)
        etcd.members[0].start()
        cluster.wait_for_admin()
        created = create_topic(cluster)
        load.wait_for_acknowledged(SOME_RECORDS)
        assert {kept, created, "loaded"} <= read_topics_from_etcd(cluster)
        load.finish().assert_clean(unnoticed=True)


def test_revisions_grow_by_one_over_all_leaders(cluster):
    """In etcd's history terms, counts within a term, and revisions grow with every write."""
    terms = []
    for _ in range(3):
        leader = cluster.wait_for_leader()
        create_topic(cluster)
        cluster.kill(leader)
        create_topic(cluster)
        cluster.restart_exited()
    writes = read_history(cluster, PREFIX + b"written")
    revisions = read_history(cluster, PREFIX + b"data/" + keys.REVISION_KEY)
    marks = [tuple(int(part) for part in value.split(b".")) for value in writes]
    assert marks == sorted(set(marks))
    terms = list(dict.fromkeys(term for term, _ in marks))
    assert len(terms) >= 4
    assert [count for _, count in marks] == [
        count for term in terms for count in range(1, 1 + sum(mark[0] == term for mark in marks))
    ]
    numbers = [keys.decode_number(value) for value in revisions]
    assert all(later == earlier + 1 for earlier, later in itertools.pairwise(numbers))


def read_history(cluster, key):
    """Returns every value that `key` has had, in order."""
    values = []
    with EtcdClient(cluster.etcd.address.split(",")) as client:
        newest = client.range(pb.RangeRequest(key=key)).kvs
        while newest:
            values.append(newest[0].value)
            revision = newest[0].mod_revision - 1
            newest = client.range(pb.RangeRequest(key=key, revision=revision)).kvs
    return values[::-1]
