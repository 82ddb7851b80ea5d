"""Moves that are cancelled, whose topic is deleted, or whose members are killed or paused."""

import grpc
import pytest

from common.ports.moves import RingRefusal
from protos.partition.v1 import partition_pb2 as pb
from protos.partition.v1.partition_pb2_grpc import PartitionServiceStub
from tests.support.clients.raw_client import RawClient
from tests.support.moves.partition_move import moving
from tests.support.processes.failpoints import count_reached, wait_until_at
from tests.support.stores.kept_logs import kept_logs
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

REFUSALS_OF_OLD_OWNER = {pb.REFUSAL_NOT_OWNER, pb.REFUSAL_MOVING, pb.REFUSAL_FENCED_LEADER_EPOCH}


def drain_until(move, place):
    """Drains until the move's target or source is at `place`, a failpoint that the caller holds."""
    process = move.cluster.processes[move.process_of(place.split(".")[1])]
    before = count_reached(process, place)
    assert move.cluster.ring.drain(move.source) is None
    wait_until_at(process, place, after=before)


def find_move_of_partition_0(move):
    for described in move.cluster.ring.describe().moves:
        if (described.move.topic_id, described.move.partition) == (move.topic_id, 0):
            return described.move
    raise AssertionError("no move of partition 0")


def find_placement_of_partition_0(move):
    return move.cluster.ring.topic(move.topic).partitions[0]


@pytest.mark.parametrize("place", ["prepare", "catch-up", "fence", "fenced", "installed"])
def test_a_cancelled_drain_leaves_the_partition_at_its_owner(place, cluster):
    with moving(cluster) as move:
        with cluster.failpoints.held(f"move.target.{place}"):
            drain_until(move, f"move.target.{place}")
            move_id = find_move_of_partition_0(move).move_id
            assert cluster.ring.add(move.source) is None
            # The ring may have rolled the move back already.
            assert cluster.ring.cancel(move_id) in (None, RingRefusal.UNKNOWN_MOVE)
            assert cluster.ring.cancel(move_id) is RingRefusal.UNKNOWN_MOVE
            # The target, which is stopped, has not applied the cancellation.
            move.wait_for_records()
        cluster.ring.wait_until_settled()
        move.finish(owner=move.source)


def test_a_cancelled_move_is_repeated_by_a_new_drain(cluster):
    with moving(cluster) as move:
        with cluster.failpoints.held("move.target.catch-up"):
            drain_until(move, "move.target.catch-up")
            move_id = find_move_of_partition_0(move).move_id
            assert cluster.ring.cancel(move_id) is None
        cluster.ring.wait_until(lambda ring: not ring.moves, what="no moves")
        assert find_placement_of_partition_0(move).owner == move.source
        assert cluster.ring.drain(move.source) is None
        move.wait_until_drained()
        assert cluster.ring.cancel(move_id) is RingRefusal.UNKNOWN_MOVE
        move.finish()


def test_a_move_that_is_committed_cannot_be_cancelled(cluster):
    with moving(cluster) as move:
        with cluster.failpoints.held("move.source.clean"):
            drain_until(move, "move.source.clean")
            move_id = find_move_of_partition_0(move).move_id
            assert cluster.ring.cancel(move_id) is not None
        move.wait_until_drained()
        move.finish()


@pytest.mark.parametrize(
    "place", ["move.target.prepare", "move.target.catch-up", "move.target.fenced"]
)
def test_a_killed_target_does_not_stop_the_partition(place, cluster):
    with moving(cluster) as move:
        with cluster.failpoints.held(place):
            drain_until(move, place)
            cluster.kill(move.target)
        # The other partitions are on the killed member.
        move.load.wait_for_acknowledged(5, partitions=[0])
        assert find_placement_of_partition_0(move).owner == move.source
        cluster.start(move.target)
        move.wait_until_drained()
        move.finish()


def test_an_old_owner_that_resumes_after_the_move_refuses_appends(cluster):
    with moving(cluster) as move:
        epoch = find_placement_of_partition_0(move).leader_epoch
        source = cluster.processes[move.source]
        with cluster.failpoints.held("move.target.installed"):
            drain_until(move, "move.target.installed")
            source.pause()
        try:
            # The new owner serves while the old one is paused.
            move.load.wait_for_acknowledged(5, partitions=[0])
            placement = find_placement_of_partition_0(move)
            assert placement.owner == move.target
            assert placement.leader_epoch > epoch
            with grpc.insecure_channel(cluster.grpc_address(move.source)) as channel:
                append = pb.Append(
                    topic_id=move.topic_id,
                    leader_epoch=epoch,
                    acks=pb.ACKS_ALL,
                    batch=record_batch(numbered(1)),
                )
                reply = PartitionServiceStub(channel).Append.future(
                    pb.AppendRequest(appends=[append]), timeout=30, wait_for_ready=True
                )
                source.resume()
                (result,) = reply.result().results
        finally:
            source.resume()
        assert result.refused.refusal in REFUSALS_OF_OLD_OWNER
        move.wait_until_drained()
        move.finish()


def test_a_source_that_is_paused_at_its_fence_serves_when_it_resumes(cluster):
    with moving(cluster) as move:
        epoch = find_placement_of_partition_0(move).leader_epoch
        source = cluster.processes[move.source]
        with cluster.failpoints.held("move.target.fence"):
            drain_until(move, "move.target.fence")
            source.pause()
        try:
            # The move is rolled back, so a fence that the source still gets is of an old epoch.
            eventually(
                lambda: find_placement_of_partition_0(move).leader_epoch > epoch,
                what="a higher leader epoch",
            )
            assert find_placement_of_partition_0(move).owner == move.source
        finally:
            source.resume()
        move.wait_until_drained()
        move.finish()


@pytest.mark.parametrize(
    "place",
    [
        "move.target.prepare",
        "move.target.catch-up",
        "move.target.fenced",
        "move.target.installed",
        "move.target.committed",
        "move.source.clean",
    ],
)
def test_a_topic_that_is_deleted_while_it_moves_leaves_nothing_behind(place, cluster):
    with moving(cluster) as move:
        move.load.finish().assert_clean()
        with cluster.failpoints.held(place):
            drain_until(move, place)
            with RawClient(cluster.bootstrap) as raw:
                assert raw.delete_topic(move.topic) == 0
        ring = move.wait_until_drained()
        assert not ring.moves
        for member in cluster.members:
            eventually(
                lambda member=member: not kept_logs(cluster.data_dir(member)),
                what=f"{member} without logs",
            )
    cluster.assert_running()
