"""Volumes and metadata restored from older copies, loss of power, and a paused metadata service.

Follows docs/operations.md ("Restoring a backup"), with real processes and a real client.
"""

import shutil
import time

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from tests.support.clients.raw_client import LATEST, OFFSET_FOR_LEADER_EPOCH, RawClient
from tests.support.moves.ring_admin import RingAdmin
from tests.support.moves.ring_command import ring
from tests.support.processes.cluster import METADATA, Cluster
from tests.support.processes.etcd_cluster import CANDIDATES, EtcdCluster
from tests.support.stores.crash_copies import copy_open_store
from tests.support.stores.kept_logs import kept_logs
from tests.support.stores.volumes import change_boot_id, settled_token
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.kio_client import ask
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

MEMBER = "partition-0"
LEASE_MS = 2_000
SETTINGS = {"broker_session_timeout_ms": str(LEASE_MS), "volume_token_interval_ms": "50"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster"), partitions=1, **SETTINGS) as running:
        yield running


@pytest.fixture
def raw(cluster):
    with RawClient(cluster.bootstrap) as client:
        yield client


def produce(raw, topic, count, *, at, acks=-1):
    """Appends `count` records, which begin at offset `at`, as soon as the member accepts them."""

    def is_accepted():
        produced = raw.produce(topic, record_batch(numbered(count)), acks=acks)
        assert produced.error_code or produced.base_offset == at, produced
        return not produced.error_code

    eventually(is_accepted, what=f"an append at {at}")


def end_of_epoch(raw, topic, epoch):
    """Returns the largest leader epoch up to `epoch`, and its end offset."""
    query = {"partition": 0, "current_leader_epoch": -1, "leader_epoch": epoch}
    values = {"replica_id": -1, "topics": [{"topic": topic, "partitions": [query]}]}
    (response,) = ask(raw, OFFSET_FOR_LEADER_EPOCH, 4, values).topics
    result = response.partitions[0]
    assert result.error_code == 0
    return result.leader_epoch, result.end_offset


def replace_directory(path, copy):
    shutil.rmtree(path)
    copy.rename(path)


def assert_refused(cluster, logged):
    process = cluster.start(MEMBER)
    assert process.wait_for_exit() == 1, process.tail
    assert process.lines_with(logged), process.tail
    assert not process.lines_with("Traceback"), process.tail


def accept(cluster):
    """Accepts the member's volume as an operator does, once the member counts as dead."""
    cluster.ring.wait_until_dead(MEMBER)
    accepted = ring(cluster, "accept", MEMBER)
    assert accepted.status == 0, accepted.err


@pytest.fixture
def consumer(cluster):
    """A librdkafka consumer that reports a truncated log instead of resetting its offset."""
    client = Consumer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "group.id": "none",
            "auto.offset.reset": "error",
            "enable.auto.commit": False,
            "topic.metadata.refresh.interval.ms": 200,
            "fetch.wait.max.ms": 100,
            "log_level": 0,
        }
    )
    yield client
    client.close()


def poll_truncation(consumer):
    """Returns the truncation error once the consumer reports it; None before."""
    message = consumer.poll(0.1)
    if message is None:
        return None
    error = message.error()
    assert error is not None, f"record {message.offset()} of a log that was truncated"
    return error.str() if error.code() == KafkaError._AUTO_OFFSET_RESET else None


def test_a_copy_taken_while_the_member_ran_needs_acceptance_and_gets_a_new_epoch(
    cluster, raw, consumer, tmp_path
):
    own, copy = cluster.data_dir(MEMBER), tmp_path / "copy"
    topic = raw.create_topic()
    produce(raw, topic, 10, at=0)
    token = settled_token(own)
    copy_open_store(own, copy)
    produce(raw, topic, 5, at=10)
    settled_token(own, other_than=token)
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages = [eventually(lambda: consumer.poll(0.1), what="a record") for _ in range(15)]
    assert [message.offset() for message in messages] == list(range(15))
    cluster.kill(MEMBER)
    replace_directory(own, copy)
    for _ in range(2):
        assert_refused(cluster, "older copy")
    epoch = cluster.ring.topic(topic).partitions[0].leader_epoch
    accept(cluster)
    cluster.start(MEMBER)
    cluster.wait_until_ready()
    assert cluster.ring.topic(topic).partitions[0].leader_epoch > epoch
    # With as many records a consumer cannot see the truncation from offsets alone.
    produce(raw, topic, 10, at=10)
    assert end_of_epoch(raw, topic, epoch) == (epoch, 10)
    error = eventually(lambda: poll_truncation(consumer), what="a truncation error")
    assert "truncation detected at offset 15" in error
    assert "broker end offset is 10" in error
    # The accepted volume is opened again like any other.
    cluster.kill(MEMBER)
    cluster.start(MEMBER)
    cluster.wait_until_ready()
    assert raw.offset_at(topic, LATEST) == 20


def test_offsets_lost_with_the_power_are_reused_under_another_epoch(cluster, raw, tmp_path):
    own, copy = cluster.data_dir(MEMBER), tmp_path / "copy"
    topic = raw.create_topic()
    produce(raw, topic, 5, at=0)
    cluster.kill(MEMBER)
    # No renewal of the token may sync the records that are to be lost.
    cluster.start(MEMBER, volume_token_interval_ms="3600000")
    cluster.wait_until_ready()
    settled_token(own)
    epoch = cluster.ring.topic(topic).partitions[0].leader_epoch
    copy_open_store(own, copy)
    produce(raw, topic, 3, at=5, acks=1)
    cluster.kill(MEMBER)
    cluster.start(MEMBER, volume_token_interval_ms="3600000")
    cluster.wait_until_ready()
    assert cluster.ring.topic(topic).partitions[0].leader_epoch == epoch, "it was only killed"
    cluster.kill(MEMBER)
    replace_directory(own, copy)
    change_boot_id(own)
    cluster.ring.wait_until_dead(MEMBER)
    # The token is that of the last sync, because the machine lost the later opening too.
    assert cluster.ring.accept(MEMBER) is None
    cluster.start(MEMBER)
    cluster.wait_until_ready()
    assert cluster.ring.topic(topic).partitions[0].leader_epoch > epoch
    produce(raw, topic, 3, at=5, acks=1)
    assert end_of_epoch(raw, topic, epoch) == (epoch, 5)


def test_a_paused_metadata_service_declares_no_member_dead_before_a_new_lease(cluster, raw):
    process = cluster.processes[METADATA]
    before = len(process.lines)
    process.pause()
    # The condition under test is a pause longer than the lease; nothing is awaited here.
    time.sleep(2 * LEASE_MS / 1000)
    process.resume()
    process.wait_for_line("was paused")
    # A member that was declared dead could not own this partition at once.
    topic = raw.create_topic()
    produce(raw, topic, 1, at=0)
    logged = "\n".join(process.lines[before:])
    assert "no message for" not in logged
    assert " left" not in logged
    assert cluster.ring.member(MEMBER).is_alive


def restore_backup(cluster, raw, *, stop, start, data, backup, ring_address):
    """Restores metadata from before a topic was created, of which a member has a log."""
    old, new = raw.create_topic(), None
    produce(raw, old, 4, at=0)
    ids = [raw.init_producer_id().producer_id]
    stop()
    shutil.copytree(data, backup)
    start()
    cluster.wait_until_ready()
    new = raw.create_topic()
    produce(raw, new, 6, at=0)
    ids.append(raw.init_producer_id().producer_id)
    new_id = raw.topic_id(new).bytes
    settled_token(cluster.data_dir(MEMBER))
    member = cluster.processes[MEMBER]
    stop()
    replace_directory(data, backup)
    start()
    # The running member gets the error, and every later process, until an operator decides.
    assert member.wait_for_exit() == 1, member.tail
    assert member.lines_with("restored from an older|restored from a backup"), member.tail
    process = cluster.start(MEMBER)
    assert process.wait_for_exit() == 1, process.tail
    assert (new_id, 0) in kept_logs(cluster.data_dir(MEMBER))
    with RingAdmin(ring_address()) as admin:
        # The service waits one lease for members that were alive before.
        eventually(lambda: admin.accept(MEMBER) is None, what=f"{MEMBER} to count as dead")
    process = cluster.start(MEMBER)
    cluster.wait_until_ready()
    assert raw.offset_at(old, LATEST) == 4
    produce(raw, old, 1, at=4)
    # The log of the unknown topic is kept, and logged.
    process.wait_for_line("1 stray logs")
    assert (new_id, 0) in kept_logs(cluster.data_dir(MEMBER))
    with RawClient(cluster.bootstrap) as reconnected:
        ids.append(reconnected.init_producer_id().producer_id)
    assert len(set(ids)) == 3


def test_metadata_restored_from_a_backup_deletes_no_logs_and_reuses_no_ids(tmp_path):
    with (
        Cluster(tmp_path, partitions=1, **SETTINGS) as cluster,
        RawClient(cluster.bootstrap) as raw,
    ):
        restore_backup(
            cluster,
            raw,
            stop=lambda: cluster.kill(METADATA),
            start=lambda: cluster.start(METADATA),
            data=cluster.data_dir(METADATA),
            backup=tmp_path / "backup",
            ring_address=lambda: cluster.grpc_address(METADATA),
        )


def test_etcd_restored_from_a_backup_deletes_no_logs_and_reuses_no_ids(tmp_path):
    with (
        EtcdCluster(tmp_path, partitions=1, **SETTINGS) as cluster,
        RawClient(cluster.bootstrap) as raw,
    ):

        def stop():
            cluster.kill(*CANDIDATES)
            cluster.etcd.kill()

        def start():
            cluster.etcd.start()
            for name in CANDIDATES:
                cluster.start(name)

        restore_backup(
            cluster,
            raw,
            stop=stop,
            start=start,
            data=tmp_path / "data",
            backup=tmp_path / "backup",
            ring_address=lambda: cluster.grpc_address(cluster.wait_for_leader()),
        )
