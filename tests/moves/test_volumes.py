"""Identity of a member is its data: with another volume it logs the reason and exits."""

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
    """With records on each member: partition n is on owners[n]."""
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
    own, aside = cluster.data_dir("partition-0"), tmp_path / "aside"
    cluster.kill("partition-0")
    own.rename(aside)
    assert_refused(cluster, "partition-0", logged=r"partition-0.*volume")
    # Nothing was decided by that: with its own data it is itself again.
    shutil.rmtree(own)
    aside.rename(own)
    cluster.start("partition-0")
    cluster.wait_until_ready()
    assert_serves_everything(cluster, topic)


def test_members_with_each_others_volumes_are_refused(cluster, topic, tmp_path):
    first, second = map(cluster.data_dir, cluster.members)
    cluster.kill(*cluster.members)
    swap(first, second, tmp_path / "aside")
    for member in cluster.members:
        assert_refused(cluster, member, logged=rf"{member}.*volume")
    swap(first, second, tmp_path / "aside")
    for member in cluster.members:
        cluster.start(member)
    cluster.wait_until_ready()
    assert_serves_everything(cluster, topic)


def swap(first, second, aside):
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


def test_a_member_with_an_older_copy_of_its_volume_is_refused(cluster, topic, tmp_path):
    """Later writes would be lost silently: also if both were opened equally often."""
    own, copy, aside = cluster.data_dir("partition-0"), tmp_path / "copy", tmp_path / "aside"
    cluster.kill("partition-0")
    shutil.copytree(own, copy)
    cluster.start("partition-0")
    cluster.wait_until_alive("partition-0")
    cluster.kill("partition-0")
    own.rename(aside)
    copy.rename(own)
    # Each attempt counts one more opening, and comes no nearer.
    for _ in range(3):
        assert_refused(cluster, "partition-0", logged=r"older copy")
    shutil.rmtree(own)
    aside.rename(own)
    cluster.start("partition-0")
    cluster.wait_until_ready()
    assert_serves_everything(cluster, topic)


def test_a_member_without_partitions_may_come_with_a_new_volume(cluster, topic):
    assert cluster.ring.drain("partition-0") is None
    cluster.ring.wait_until_settled()
    cluster.kill("partition-0")
    shutil.rmtree(cluster.data_dir("partition-0"))
    cluster.start("partition-0")
    cluster.wait_until_alive("partition-0")
    assert cluster.ring.member("partition-0").state is RingState.DRAINED
    assert_serves_everything(cluster, topic)
