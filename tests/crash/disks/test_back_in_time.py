"""Volumes and metadata that go back in time, a loss of power, and a metadata service that slept.

The recipe of docs/operations.md ("Restoring a backup"), with real processes and a real client.
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
from tests.support.stores.crash_copies import copied
from tests.support.stores.kept_logs import kept_logs
from tests.support.stores.volumes import pretend_that_the_machine_went_down, settled_token
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


def batch(count):
    return record_batch(numbered(count))


def produce(raw, topic, count, *, at, acks=-1):
    """Appends `count` records, which begin at offset `at`, as soon as the member is back."""

    def is_taken():
        answer = raw.produce(topic, batch(count), acks=acks)
        assert answer.error_code or answer.base_offset == at, answer
        return not answer.error_code

    eventually(is_taken, what=f"an append at {at}")


def end_of_epoch(raw, topic, epoch):
    asked = {"partition": 0, "current_leader_epoch": -1, "leader_epoch": epoch}
    values = {"replica_id": -1, "topics": [{"topic": topic, "partitions": [asked]}]}
    (answered,) = ask(raw, OFFSET_FOR_LEADER_EPOCH, 4, values).topics
    result = answered.partitions[0]
    assert result.error_code == 0
    return result.leader_epoch, result.end_offset


def put_in_place(own, copy):
    shutil.rmtree(own)
    copy.rename(own)


def assert_refused(cluster, logged):
    process = cluster.start(MEMBER)
    assert process.wait_for_exit() == 1, process.tail
    assert process.lines_with(logged), process.tail
    assert not process.lines_with("Traceback"), process.tail


def accept(cluster):
    """Removes the member as an operator does, once it counts as dead."""
    cluster.ring.wait_until_dead(MEMBER)
    accepted = ring(cluster, "accept", MEMBER)
    assert accepted.status == 0, accepted.err


@pytest.fixture
def consumer(cluster):
    """librdkafka consumer that reports a truncated log instead of continuing."""
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


def truncation_of(consumer):
    """Truncation that the consumer reports once it stops at its partition; None before."""
    message = consumer.poll(0.1)
    if message is None:
        return None
    error = message.error()
    assert error is not None, f"record {message.offset()} of a log that was truncated"
    return error.str() if error.code() == KafkaError._AUTO_OFFSET_RESET else None


def test_a_copy_taken_while_the_member_ran_needs_an_operators_word_and_new_epochs(
    cluster, raw, consumer, tmp_path
):
    own, copy = cluster.data_dir(MEMBER), tmp_path / "copy"
    topic = raw.create_topic()
    produce(raw, topic, 10, at=0)
    token = settled_token(own)
    copied(own, copy)
    produce(raw, topic, 5, at=10)
    settled_token(own, other_than=token)
    consumer.assign([TopicPartition(topic, 0, 0)])
    read = [eventually(lambda: consumer.poll(0.1), what="a record") for _ in range(15)]
    assert [one.offset() for one in read] == list(range(15))
    cluster.kill(MEMBER)
    put_in_place(own, copy)
    for _ in range(2):
        assert_refused(cluster, "older copy")
    epoch = cluster.ring.topic(topic).partitions[0].leader_epoch
    accept(cluster)
    cluster.start(MEMBER)
    cluster.wait_until_ready()
    assert cluster.ring.topic(topic).partitions[0].leader_epoch > epoch
    # As many records as to hide from a consumer that looks at offsets only.
    produce(raw, topic, 10, at=10)
    assert end_of_epoch(raw, topic, epoch) == (epoch, 10)
    said = eventually(lambda: truncation_of(consumer), what="a truncation that is seen")
    assert "truncation detected at offset 15" in said
    assert "broker end offset is 10" in said
    # What was let in is continued like any other volume.
    cluster.kill(MEMBER)
    cluster.start(MEMBER)
    cluster.wait_until_ready()
    assert raw.offset_at(topic, LATEST) == 20


def test_after_a_loss_of_power_offsets_are_given_again_under_another_epoch(cluster, raw, tmp_path):
    own, copy = cluster.data_dir(MEMBER), tmp_path / "copy"
    topic = raw.create_topic()
    produce(raw, topic, 5, at=0)
    cluster.kill(MEMBER)
    # No renewal syncs what is to be lost.
    cluster.start(MEMBER, volume_token_interval_ms="3600000")
    cluster.wait_until_ready()
    settled_token(own)
    epoch = cluster.ring.topic(topic).partitions[0].leader_epoch
    copied(own, copy)
    produce(raw, topic, 3, at=5, acks=1)
    cluster.kill(MEMBER)
    cluster.start(MEMBER, volume_token_interval_ms="3600000")
    cluster.wait_until_ready()
    assert cluster.ring.topic(topic).partitions[0].leader_epoch == epoch, "it was only killed"
    cluster.kill(MEMBER)
    put_in_place(own, copy)
    pretend_that_the_machine_went_down(own)
    cluster.ring.wait_until_dead(MEMBER)
    # The token of the volume as it was at the last sync: the machine took the later opening too.
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
    # Longer than the lease: that is the case, and nothing is waited for.
    time.sleep(2 * LEASE_MS / 1000)
    process.resume()
    process.wait_for_line("was paused")
    # Somebody who was declared dead could not own this at once.
    topic = raw.create_topic()
    produce(raw, topic, 1, at=0)
    said = "\n".join(process.lines[before:])
    assert "no message for" not in said
    assert " left" not in said
    assert cluster.ring.member(MEMBER).is_alive


def restore(cluster, raw, *, stop, start, data, backup, ring_of):
    """Metadata of before a topic was made, under members and clients that know better."""
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
    put_in_place(data, backup)
    start()
    # The running member gets the error, and every later process, until an operator decides.
    assert member.wait_for_exit() == 1, member.tail
    assert member.lines_with("restored from an older|restored from a backup"), member.tail
    process = cluster.start(MEMBER)
    assert process.wait_for_exit() == 1, process.tail
    assert (new_id, 0) in kept_logs(cluster.data_dir(MEMBER))
    with RingAdmin(ring_of()) as admin:
        # Those who were alive before are waited for, for one lease.
        eventually(lambda: admin.accept(MEMBER) is None, what=f"{MEMBER} that counts as dead")
    process = cluster.start(MEMBER)
    cluster.wait_until_ready()
    assert raw.offset_at(old, LATEST) == 4
    produce(raw, old, 1, at=4)
    # What the metadata has forgotten is kept, and said.
    process.wait_for_line("1 stray logs")
    assert (new_id, 0) in kept_logs(cluster.data_dir(MEMBER))
    with RawClient(cluster.bootstrap) as after:
        ids.append(after.init_producer_id().producer_id)
    assert len(set(ids)) == 3


def test_metadata_restored_from_a_backup_deletes_nothing_and_repeats_nothing(tmp_path):
    with (
        Cluster(tmp_path, partitions=1, **SETTINGS) as cluster,
        RawClient(cluster.bootstrap) as raw,
    ):
        restore(
            cluster,
            raw,
            stop=lambda: cluster.kill(METADATA),
            start=lambda: cluster.start(METADATA),
            data=cluster.data_dir(METADATA),
            backup=tmp_path / "backup",
            ring_of=lambda: cluster.grpc_address(METADATA),
        )


def test_etcd_restored_from_a_backup_deletes_nothing_and_repeats_nothing(tmp_path):
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

        restore(
            cluster,
            raw,
            stop=stop,
            start=start,
            data=tmp_path / "data",
            backup=tmp_path / "backup",
            ring_of=lambda: cluster.grpc_address(cluster.wait_for_leader()),
        )
