"""Removal of a member whose volume is lost: its partitions start empty, all else is kept."""

import shutil
from functools import partial

import pytest

from common.ports.moves import RingRefusal, RingState
from tests.support.clients.raw_client import LATEST, OFFSET_FOR_LEADER_EPOCH, RawClient
from tests.support.moves.partition_move import assert_copies_are_where_they_belong
from tests.support.moves.ring_command import ring
from tests.support.processes.failpoints import REMOVAL, times_at, wait_until_at
from tests.support.stores.kept_logs import kept_logs
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.kio_client import ask
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

OFFSET_OUT_OF_RANGE = 1
#: NOT_LEADER_OR_FOLLOWER, REQUEST_TIMED_OUT: clients send the batch again.
RETRIABLE = (6, 7)
LOST = "partition-0"
BATCH = record_batch(numbered(3))


class LoadedCluster:
    """A topic with three records in each of its partitions, of which some are on each member."""

    def __init__(self, cluster, raw):
        self.cluster, self.raw = cluster, raw
        self.topic = raw.create_topic(partitions=4)
        self.assert_takes(at=dict.fromkeys(range(4), 0))
        self.before = self.placements()

    def placements(self):
        return self.cluster.ring.topic(self.topic).partitions

    def of(self, member):
        return [number for number, one in enumerate(self.before) if one.owner == member]

    def die(self, member=LOST):
        """For good: with its volume."""
        self.cluster.kill(member)
        shutil.rmtree(self.cluster.data_dir(member))
        self.cluster.ring.wait_until_dead(member)

    def assert_holds(self, partitions, batches):
        for partition in partitions:
            found = self.raw.fetch_all(self.topic, partition=partition)
            assert [one[16:] for one in found] == [batch[16:] for batch in batches], partition

    def assert_takes(self, *, at):
        """Asserts that appends continue, in partition n at `at[n]`, once the gateway knows."""
        for partition, offset in at.items():
            eventually(
                lambda partition=partition: self.produced(partition),
                what=f"an append to {partition}",
            )
            end = self.raw.offset_at(self.topic, LATEST, partition=partition)
            assert end == offset + 3

    def produced(self, partition):
        """False if the owner that the gateway knows is dead: the batch is not stored then."""
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
    """(the largest epoch up to `epoch`, where it ends)."""
    asked = {"partition": partition, "current_leader_epoch": -1, "leader_epoch": epoch}
    values = {"replica_id": -1, "topics": [{"topic": loaded.topic, "partitions": [asked]}]}
    (answered,) = ask(loaded.raw, OFFSET_FOR_LEADER_EPOCH, 4, values).topics
    result = answered.partitions[0]
    assert result.error_code == 0
    return result.leader_epoch, result.end_offset


def test_partitions_of_a_removed_member_are_empty_and_others_are_kept(cluster, loaded):
    lost, kept = loaded.of(LOST), loaded.of("partition-1")
    producer = loaded.raw.init_producer_id()
    first, second = (record_batch(numbered(2), producer=(*producer, n)) for n in (0, 2))
    assert loaded.raw.produce(loaded.topic, first, partition=lost[0]) == (0, 3)
    loaded.die()

    refused = ring(cluster, "remove", LOST)
    assert refused.status == 1
    assert f"{LOST} still owns {len(lost)} partitions" in refused.err
    assert "--accept-data-loss" in refused.err
    assert loaded.topic in refused.out
    assert loaded.placements() == loaded.before

    done = ring(cluster, "remove", LOST, "--accept-data-loss")
    assert done.status == 0, done.err
    assert loaded.topic in done.out
    assert done.out.endswith(f"{LOST} is removed\n")
    now = loaded.placements()
    for partition in lost:
        assert now[partition] == ("partition-1", loaded.before[partition].leader_epoch + 1)
        assert loaded.raw.offset_at(loaded.topic, LATEST, partition=partition) == 0
        assert loaded.raw.fetch(loaded.topic, 3, partition=partition).error_code == (
            OFFSET_OUT_OF_RANGE
        )
        # This shows a client that its offsets were of another log (KIP-320).
        epoch = loaded.before[partition].leader_epoch
        assert end_of_epoch(loaded, partition, epoch) == (epoch, 0)
    loaded.assert_holds(kept, [BATCH])
    # A producer that continues its sequence has lost nothing in between.
    assert loaded.raw.produce(loaded.topic, second, partition=lost[0]) == (0, 0)
    loaded.assert_takes(at=dict.fromkeys(lost[1:], 0) | dict.fromkeys(kept, 3))
    loaded.assert_holds(lost[1:], [BATCH])
    loaded.assert_holds(kept, [BATCH, BATCH])

    # Whoever comes under its name, with a new volume, is a new member.
    cluster.start(LOST)
    cluster.wait_until_ready()
    assert cluster.ring.member(LOST).state is RingState.JOINED
    cluster.ring.wait_until_settled()
    assert cluster.ring.member(LOST).partitions == 2
    loaded.assert_holds(kept, [BATCH, BATCH])
    assert_copies_are_where_they_belong(cluster, loaded.topic)


def test_its_volume_is_not_let_in_again_and_not_touched(cluster, loaded, tmp_path):
    loaded.cluster.kill(LOST)
    cluster.ring.wait_until_dead(LOST)
    had = kept_logs(cluster.data_dir(LOST))
    assert had
    assert cluster.ring.remove(LOST, accept_data_loss=True) is None
    cluster.kill("metadata-0")
    cluster.start("metadata-0")
    process = cluster.start(LOST)
    assert process.wait_for_exit() == 1, process.tail
    assert process.lines_with("given up for lost"), process.tail
    assert kept_logs(cluster.data_dir(LOST)) == had
    assert cluster.ring.member(LOST) is None
    shutil.rmtree(cluster.data_dir(LOST))


def test_a_live_member_cannot_be_removed_nor_the_last_one(cluster, loaded):
    assert cluster.ring.remove(LOST, accept_data_loss=True) is RingRefusal.ALIVE
    cluster.kill(*cluster.members)
    for member in cluster.members:
        cluster.ring.wait_until_dead(member)
    assert cluster.ring.remove(LOST, accept_data_loss=True) is RingRefusal.LAST_MEMBER
    for member in cluster.members:
        cluster.start(member)
    cluster.wait_until_ready()
    assert loaded.placements() == loaded.before
    loaded.assert_holds(range(4), [BATCH])


@pytest.mark.parametrize("place", REMOVAL)
def test_a_removal_is_atomic(place, cluster, loaded):
    lost, metadata = loaded.of(LOST), cluster.processes["metadata-0"]
    loaded.die()
    before = times_at(metadata, place)
    with cluster.failpoints.held(place):
        cluster.ring.ask_to_remove(LOST)
        wait_until_at(metadata, place, after=before)
        cluster.kill("metadata-0")
    cluster.start("metadata-0")
    cluster.ring.wait_until(
        lambda now: any(member.is_alive for member in now.members), what="partition-1 alive"
    )
    is_done = place.endswith("after")
    assert (cluster.ring.member(LOST) is None) is is_done
    assert ("partition-1" in {loaded.placements()[one].owner for one in lost}) is is_done
    cluster.ring.wait_until_dead(LOST)
    again = cluster.ring.remove(LOST, accept_data_loss=True)
    assert again is (RingRefusal.UNKNOWN_MEMBER if is_done else None)
    loaded.assert_takes(at=dict.fromkeys(lost, 0))
    loaded.assert_holds(loaded.of("partition-1"), [BATCH])


def assert_no_copy_is_left(cluster, member):
    """Each log there is the member's own: none has the mark of one that a move brings."""
    eventually(
        lambda: not any("I" in rows for rows in kept_logs(cluster.data_dir(member)).values()),
        what=f"{member} without copies",
    )


def hold_a_move(cluster, loaded, place, source):
    """Waits until the move of one of the source's partitions reaches `place`; returns it."""
    (target,) = (member for member in cluster.members if member != source)
    process = cluster.processes[{"source": source, "target": target}[place.split(".")[1]]]
    before = times_at(process, place)
    assert cluster.ring.drain(source) is None
    wait_until_at(process, place, after=before)
    topic_id = cluster.ring.topic(loaded.topic).topic_id
    return {
        move.move.partition
        for move in cluster.ring.describe().moves
        if move.move.topic_id == topic_id and move.move.source == source
    }


@pytest.mark.parametrize("step", ["prepare", "catch-up", "fence", "fenced"])
def test_a_part_of_a_log_that_was_on_its_way_does_not_pass_for_the_log(step, cluster, loaded):
    lost = loaded.of(LOST)
    with cluster.failpoints.held(f"move.target.{step}"):
        assert hold_a_move(cluster, loaded, f"move.target.{step}", LOST)
        loaded.die()
        assert cluster.ring.remove(LOST, accept_data_loss=True) is None
        # While the target still believes in the move.
        assert {loaded.placements()[one].owner for one in lost} == {"partition-1"}
    loaded.assert_takes(at=dict.fromkeys(lost, 0))
    loaded.assert_holds(lost, [BATCH])
    loaded.assert_holds(loaded.of("partition-1"), [BATCH])
    assert_no_copy_is_left(cluster, "partition-1")


@pytest.fixture
def patience(cluster):
    """A fence may last: the source must be seen to die before its move is given up."""
    restart_metadata(cluster, ring_move_fence_timeout_ms="600000")
    yield
    restart_metadata(cluster)


def restart_metadata(cluster, **settings):
    def alive(ring):
        return {member.name for member in ring.members if member.is_alive}

    before = alive(cluster.ring.describe())
    cluster.kill("metadata-0")
    cluster.start("metadata-0", **settings)
    cluster.ring.wait_until(lambda now: alive(now) == before, what=f"{before} alive")


@pytest.mark.usefixtures("patience")
def test_a_log_that_has_come_over_whole_is_kept(cluster, loaded):
    with cluster.failpoints.held("move.target.installed"):
        moved = hold_a_move(cluster, loaded, "move.target.installed", LOST)
        reached = {
            move.move.partition
            for move in cluster.ring.describe().moves
            if move.move.phase.name == "FENCE"
        }
        loaded.die()
        assert cluster.ring.remove(LOST, accept_data_loss=True) is None
    assert reached <= moved
    whole = [one for one in reached if loaded.raw.offset_at(loaded.topic, LATEST, partition=one)]
    assert whole
    loaded.assert_holds(whole, [BATCH])
    loaded.assert_takes(at=dict.fromkeys(whole, 3))
    assert_no_copy_is_left(cluster, "partition-1")


@pytest.mark.parametrize("step", ["catch-up", "fenced", "installed"])
def test_moves_to_a_lost_member_are_rolled_back(step, cluster, loaded):
    place = f"move.target.{step}"
    with cluster.failpoints.held(place):
        moving = hold_a_move(cluster, loaded, place, "partition-1")
        loaded.die()
        # What a drain had begun is over with its target.
        assert cluster.ring.add("partition-1") is None
        assert cluster.ring.remove(LOST, accept_data_loss=True) is None
    loaded.assert_holds(moving, [BATCH])
    loaded.assert_takes(at=dict.fromkeys(moving, 3))
    loaded.assert_takes(at=dict.fromkeys(loaded.of(LOST), 0))


def end_of(loaded, partition):
    """The end offset of a partition; None while its owner does not answer."""
    try:
        return loaded.raw.offset_at(loaded.topic, LATEST, partition=partition)
    except AssertionError:
        return None


def test_a_source_that_has_not_deleted_yet_what_it_handed_over_takes_it_back(cluster, loaded):
    """Its copy is the log up to the fence, and it continues from there."""
    with cluster.failpoints.held("move.source.clean"):
        hold_a_move(cluster, loaded, "move.source.clean", "partition-1")
        committed = {
            move.move.partition
            for move in cluster.ring.describe().moves
            if move.move.phase.name == "COMMIT"
        }
        loaded.die()
        assert cluster.ring.add("partition-1") is None
        assert cluster.ring.remove(LOST, accept_data_loss=True) is None
        # The gateway may learn of the removal a moment later: until then the owner is unknown.
        at = {partition: eventually(partial(end_of, loaded, partition)) for partition in committed}
        loaded.assert_takes(at=at)
    cluster.ring.wait_until_settled()
    assert committed
    assert set(at.values()) == {3}
    loaded.assert_holds(committed, [BATCH, BATCH])
