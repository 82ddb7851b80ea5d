"""Members that start with another volume, or an older copy of theirs, log the reason and exit."""

import shutil

import pytest

from common.ports.moves import RingState
from tests.support.clients.raw_client import RawClient
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

BATCH = record_batch(numbered(3))


@pytest.fixture
def topic(cluster):
    """Creates a topic with records on each member."""
    with RawClient(cluster.bootstrap) as raw:
        name = raw.create_topic(partitions=4)
        for partition in range(4):
            assert raw.produce(name, BATCH, partition=partition) == (0, 0)
        yield name
        assert raw.delete_topic(name) == 0


def assert_refused(cluster, member, *, logged):
    process = cluster.start(member)
    assert process.wait_for_exit() == 1, process.tail
    assert process.lines_with(logged), process.tail
    assert not process.lines_with("Traceback"), process.tail
    assert not cluster.ring.member(member).is_alive


def assert_serves_everything(cluster, topic):
    with RawClient(cluster.bootstrap) as raw:
        for partition in range(4):
            assert raw.fetch_all(topic, partition=partition)[0][16:] == BATCH[16:]


def test_a_member_with_an_empty_volume_is_refused_as_long_as_it_owns_partitions(
    cluster, topic, tmp_path
):
    own, backup = cluster.data_dir("partition-0"), tmp_path / "backup"
    cluster.kill("partition-0")
    own.rename(backup)
    assert_refused(cluster, "partition-0", logged=r"partition-0.*volume")
    # The refusal changed nothing: with its own volume the member is accepted.
    shutil.rmtree(own)
    backup.rename(own)
    cluster.start("partition-0")
    cluster.wait_until_ready()
    assert_serves_everything(cluster, topic)


def test_members_with_each_others_volumes_are_refused(cluster, topic, tmp_path):
    first, second = map(cluster.data_dir, cluster.members)
    cluster.kill(*cluster.members)
    swap(first, second, tmp_path / "temporary")
    for member in cluster.members:
        assert_refused(cluster, member, logged=rf"{member}.*volume")
    swap(first, second, tmp_path / "temporary")
    for member in cluster.members:
        cluster.start(member)
    cluster.wait_until_ready()
    assert_serves_everything(cluster, topic)


def swap(first, second, temporary):
    first.rename(temporary)
    second.rename(first)
    temporary.rename(second)


def test_a_member_with_an_older_copy_of_its_volume_is_refused(cluster, topic, tmp_path):
    """Later writes would be lost silently, also if both volumes were opened equally often."""
    own, copy, backup = cluster.data_dir("partition-0"), tmp_path / "copy", tmp_path / "backup"
    cluster.kill("partition-0")
    shutil.copytree(own, copy)
    cluster.start("partition-0")
    cluster.wait_until_alive("partition-0")
    cluster.kill("partition-0")
    own.rename(backup)
    copy.rename(own)
    # Each attempt counts one more opening, and is refused all the same.
    for _ in range(3):
        assert_refused(cluster, "partition-0", logged=r"older copy")
    shutil.rmtree(own)
    backup.rename(own)
    cluster.start("partition-0")
    cluster.wait_until_ready()
    assert_serves_everything(cluster, topic)


def test_a_member_without_partitions_may_start_with_a_new_volume(cluster, topic):
    assert cluster.ring.drain("partition-0") is None
    cluster.ring.wait_until_settled()
    cluster.kill("partition-0")
    shutil.rmtree(cluster.data_dir("partition-0"))
    cluster.start("partition-0")
    cluster.wait_until_alive("partition-0")
    assert cluster.ring.member("partition-0").state is RingState.DRAINED
    assert_serves_everything(cluster, topic)
