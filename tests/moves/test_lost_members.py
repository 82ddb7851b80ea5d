"""Removal of a member whose volume is lost: its partitions become empty, all others are kept."""

import shutil
from functools import partial

import pytest

from common.ports.moves import RingRefusal, RingState
from tests.support.clients.raw_client import LATEST, OFFSET_FOR_LEADER_EPOCH, RawClient
from tests.support.moves.partition_move import assert_only_owners_have_copies
from tests.support.moves.ring_command import ring
from tests.support.processes.failpoints import REMOVAL, count_reached, wait_until_at
from tests.support.stores.kept_logs import kept_logs
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.kio_client import ask
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

OFFSET_OUT_OF_RANGE = 1
#: NOT_LEADER_OR_FOLLOWER and REQUEST_TIMED_OUT, after which clients retry.
RETRIABLE = (6, 7)
LOST = "partition-0"
BATCH = record_batch(numbered(3))


class LoadedCluster:
    """A topic with three records in each partition, and partitions on each member."""

    def __init__(self, cluster, raw):
        self.cluster, self.raw = cluster, raw
        self.topic = raw.create_topic(partitions=4)
        self.assert_accepts_appends(at=dict.fromkeys(range(4), 0))
        self.before = self.placements()

    def placements(self):
        return self.cluster.ring.topic(self.topic).partitions

    def partitions_of(self, member):
        return [n for n, placement in enumerate(self.before) if placement.owner == member]

    def lose(self, member=LOST):
        """Kills a member and deletes its volume."""
        self.cluster.kill(member)
        shutil.rmtree(self.cluster.data_dir(member))
        self.cluster.ring.wait_until_dead(member)

    def assert_records(self, partitions, batches):
        for partition in partitions:
            fetched = self.raw.fetch_all(self.topic, partition=partition)
            expected = [batch[16:] for batch in batches]
            assert [batch[16:] for batch in fetched] == expected, partition

    def assert_accepts_appends(self, *, at):
        """Asserts that an append to partition n gets offset `at[n]`; retries refusals."""
        for partition, offset in at.items():
            eventually(
                lambda partition=partition: self.try_to_append(partition),
                what=f"an append to {partition}",
            )
            end = self.raw.offset_at(self.topic, LATEST, partition=partition)
            assert end == offset + 3

    def try_to_append(self, partition):
        """Returns False if the owner that the gateway knows is dead, and the batch not stored."""
        error_code, _ = self.raw.produce(self.topic, BATCH, partition=partition)
        assert error_code in (0, *RETRIABLE)
        return error_code == 0


@pytest.fixture
def loaded(cluster):
    with RawClient(cluster.bootstrap) as raw:
        loaded = LoadedCluster(cluster, raw)
        yield loaded
        assert raw.delete_topic(loaded.topic) == 0


def end_of_epoch(loaded, partition, epoch):
    """Returns the largest leader epoch up to `epoch`, and its end offset."""
    query = {"partition": partition, "current_leader_epoch": -1, "leader_epoch": epoch}
    values = {"replica_id": -1, "topics": [{"topic": loaded.topic, "partitions": [query]}]}
    (response,) = ask(loaded.raw, OFFSET_FOR_LEADER_EPOCH, 4, values).topics
    result = response.partitions[0]
    assert result.error_code == 0
    return result.leader_epoch, result.end_offset


def test_partitions_of_a_removed_member_are_empty_and_others_are_kept(cluster, loaded):
    lost, kept = loaded.partitions_of(LOST), loaded.partitions_of("partition-1")
    producer = loaded.raw.init_producer_id()
    first, second = (record_batch(numbered(2), producer=(*producer, n)) for n in (0, 2))
    assert loaded.raw.produce(loaded.topic, first, partition=lost[0]) == (0, 3)
    loaded.lose()

    refused = ring(cluster, "remove", LOST)
    assert refused.status == 1
    assert f"{LOST} still owns {len(lost)} partitions" in refused.err
    assert "--accept-data-loss" in refused.err
    assert loaded.topic in refused.out
    assert loaded.placements() == loaded.before

    removed = ring(cluster, "remove", LOST, "--accept-data-loss")
    assert removed.status == 0, removed.err
    assert loaded.topic in removed.out
    assert removed.out.endswith(f"{LOST} is removed\n")
    placements = loaded.placements()
    for partition in lost:
        assert placements[partition] == ("partition-1", loaded.before[partition].leader_epoch + 1)
        assert loaded.raw.offset_at(loaded.topic, LATEST, partition=partition) == 0
        assert loaded.raw.fetch(loaded.topic, 3, partition=partition).error_code == (
            OFFSET_OUT_OF_RANGE
        )
        # From this a client learns that its offsets are of another log (KIP-320).
        epoch = loaded.before[partition].leader_epoch
        assert end_of_epoch(loaded, partition, epoch) == (epoch, 0)
    loaded.assert_records(kept, [BATCH])
    # The empty log accepts a producer that continues its sequence.
    assert loaded.raw.produce(loaded.topic, second, partition=lost[0]) == (0, 0)
    loaded.assert_accepts_appends(at=dict.fromkeys(lost[1:], 0) | dict.fromkeys(kept, 3))
    loaded.assert_records(lost[1:], [BATCH])
    loaded.assert_records(kept, [BATCH, BATCH])

    # A process with the same name and a new volume is a new member.
    cluster.start(LOST)
    cluster.wait_until_ready()
    assert cluster.ring.member(LOST).state is RingState.JOINED
    cluster.ring.wait_until_settled()
    assert cluster.ring.member(LOST).partitions == 2
    loaded.assert_records(kept, [BATCH, BATCH])
    assert_only_owners_have_copies(cluster, loaded.topic)


def test_the_volume_of_a_removed_member_is_refused_and_not_changed(cluster, loaded, tmp_path):
    loaded.cluster.kill(LOST)
    cluster.ring.wait_until_dead(LOST)
    logs = kept_logs(cluster.data_dir(LOST))
    assert logs
    assert cluster.ring.remove(LOST, accept_data_loss=True) is None
    cluster.kill("metadata-0")
    cluster.start("metadata-0")
    process = cluster.start(LOST)
    assert process.wait_for_exit() == 1, process.tail
    assert process.lines_with("declared lost"), process.tail
    assert kept_logs(cluster.data_dir(LOST)) == logs
    assert cluster.ring.member(LOST) is None
    shutil.rmtree(cluster.data_dir(LOST))


def test_a_live_member_and_the_last_member_cannot_be_removed(cluster, loaded):
    assert cluster.ring.remove(LOST, accept_data_loss=True) is RingRefusal.ALIVE
    cluster.kill(*cluster.members)
    for member in cluster.members:
        cluster.ring.wait_until_dead(member)
    assert cluster.ring.remove(LOST, accept_data_loss=True) is RingRefusal.LAST_MEMBER
    for member in cluster.members:
        cluster.start(member)
    cluster.wait_until_ready()
    assert loaded.placements() == loaded.before
    loaded.assert_records(range(4), [BATCH])


@pytest.mark.parametrize("place", REMOVAL)
def test_a_removal_is_atomic(place, cluster, loaded):
    lost, metadata = loaded.partitions_of(LOST), cluster.processes["metadata-0"]
    loaded.lose()
    before = count_reached(metadata, place)
    with cluster.failpoints.held(place):
        cluster.ring.request_removal(LOST)
        wait_until_at(metadata, place, after=before)
        cluster.kill("metadata-0")
    cluster.start("metadata-0")
    cluster.ring.wait_until(
        lambda ring: any(member.is_alive for member in ring.members), what="partition-1 alive"
    )
    is_done = place.endswith("after")
    assert (cluster.ring.member(LOST) is None) is is_done
    assert (
        "partition-1" in {loaded.placements()[partition].owner for partition in lost}
    ) is is_done
    cluster.ring.wait_until_dead(LOST)
    refusal = cluster.ring.remove(LOST, accept_data_loss=True)
    assert refusal is (RingRefusal.UNKNOWN_MEMBER if is_done else None)
    loaded.assert_accepts_appends(at=dict.fromkeys(lost, 0))
    loaded.assert_records(loaded.partitions_of("partition-1"), [BATCH])


def assert_no_copy_is_left(cluster, member):
    """Asserts that no log of the member has the marker of an incoming copy."""
    eventually(
        lambda: not any("I" in rows for rows in kept_logs(cluster.data_dir(member)).values()),
        what=f"{member} without copies",
    )


def drain_until(cluster, loaded, place, source):
    """Drains until a move from `source` reaches `place`; returns the partitions that move."""
    (target,) = (member for member in cluster.members if member != source)
    process = cluster.processes[{"source": source, "target": target}[place.split(".")[1]]]
    before = count_reached(process, place)
    assert cluster.ring.drain(source) is None
    wait_until_at(process, place, after=before)
    topic_id = cluster.ring.topic(loaded.topic).topic_id
    return {
        described.move.partition
        for described in cluster.ring.describe().moves
        if described.move.topic_id == topic_id and described.move.source == source
    }


@pytest.mark.parametrize("step", ["prepare", "catch-up", "fence", "fenced"])
def test_a_partial_copy_does_not_become_the_log_after_a_removal(step, cluster, loaded):
    lost = loaded.partitions_of(LOST)
    with cluster.failpoints.held(f"move.target.{step}"):
        assert drain_until(cluster, loaded, f"move.target.{step}", LOST)
        loaded.lose()
        assert cluster.ring.remove(LOST, accept_data_loss=True) is None
        # The target, which is stopped, has not applied the removal.
        assert {loaded.placements()[partition].owner for partition in lost} == {"partition-1"}
    loaded.assert_accepts_appends(at=dict.fromkeys(lost, 0))
    loaded.assert_records(lost, [BATCH])
    loaded.assert_records(loaded.partitions_of("partition-1"), [BATCH])
    assert_no_copy_is_left(cluster, "partition-1")


@pytest.fixture
def long_fence_timeout(cluster):
    """Lets a fence last, so that the source is declared dead before its move is rolled back."""
    restart_metadata(cluster, ring_move_fence_timeout_ms="600000")
    yield
    restart_metadata(cluster)


def restart_metadata(cluster, **settings):
    def names_of_live_members(ring):
        return {member.name for member in ring.members if member.is_alive}

    before = names_of_live_members(cluster.ring.describe())
    cluster.kill("metadata-0")
    cluster.start("metadata-0", **settings)
    cluster.ring.wait_until(
        lambda ring: names_of_live_members(ring) == before, what=f"{before} alive"
    )


@pytest.mark.usefixtures("long_fence_timeout")
def test_a_complete_copy_becomes_the_log_after_a_removal(cluster, loaded):
    with cluster.failpoints.held("move.target.installed"):
        moving = drain_until(cluster, loaded, "move.target.installed", LOST)
        fenced = {
            described.move.partition
            for described in cluster.ring.describe().moves
            if described.move.phase.name == "FENCE"
        }
        loaded.lose()
        assert cluster.ring.remove(LOST, accept_data_loss=True) is None
    assert fenced <= moving
    complete = [n for n in fenced if loaded.raw.offset_at(loaded.topic, LATEST, partition=n)]
    assert complete
    loaded.assert_records(complete, [BATCH])
    loaded.assert_accepts_appends(at=dict.fromkeys(complete, 3))
    assert_no_copy_is_left(cluster, "partition-1")


@pytest.mark.parametrize("step", ["catch-up", "fenced", "installed"])
def test_moves_to_a_lost_member_are_rolled_back(step, cluster, loaded):
    place = f"move.target.{step}"
    with cluster.failpoints.held(place):
        moving = drain_until(cluster, loaded, place, "partition-1")
        loaded.lose()
        # Ends the drain whose target is lost.
        assert cluster.ring.add("partition-1") is None
        assert cluster.ring.remove(LOST, accept_data_loss=True) is None
    loaded.assert_records(moving, [BATCH])
    loaded.assert_accepts_appends(at=dict.fromkeys(moving, 3))
    loaded.assert_accepts_appends(at=dict.fromkeys(loaded.partitions_of(LOST), 0))


def find_end_offset(loaded, partition):
    """Returns the end offset of a partition; None while its owner does not answer."""
    try:
        return loaded.raw.offset_at(loaded.topic, LATEST, partition=partition)
    except AssertionError:
        return None


def test_a_source_that_still_has_its_copy_owns_the_log_again_after_a_removal(cluster, loaded):
    """The log continues from the fence, where the source's copy ends."""
    with cluster.failpoints.held("move.source.clean"):
        drain_until(cluster, loaded, "move.source.clean", "partition-1")
        committed = {
            described.move.partition
            for described in cluster.ring.describe().moves
            if described.move.phase.name == "COMMIT"
        }
        loaded.lose()
        assert cluster.ring.add("partition-1") is None
        assert cluster.ring.remove(LOST, accept_data_loss=True) is None
        # Until the gateway has applied the removal, it uses the old owner.
        at = {
            partition: eventually(partial(find_end_offset, loaded, partition))
            for partition in committed
        }
        loaded.assert_accepts_appends(at=at)
    cluster.ring.wait_until_settled()
    assert committed
    assert set(at.values()) == {3}
    loaded.assert_records(committed, [BATCH, BATCH])
