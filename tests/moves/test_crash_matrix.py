"""SIGKILL of source, target and metadata service at every step of a move.

The process that reaches the step is stopped there, then the victim is killed and started again,
under the load of real producers and a consumer. In the end the move is committed, directly or after
a roll-back: nothing acknowledged is lost or duplicated, and no copy is left behind.
"""

import pytest

from tests.support.moves.partition_move import moving
from tests.support.processes.failpoints import PLACES, ROLL_BACK, count_reached, wait_until_at

pytestmark = pytest.mark.slow

VICTIMS = ("source", "target", "metadata")

#: Pairs of victims, at steps of one that depend on the last step of the other.
PAIRS = (
    ("source", "target", "move.target.catch-up"),
    ("source", "target", "move.source.fenced"),
    ("source", "target", "move.target.installed"),
    ("target", "metadata", "move.target.fenced"),
    ("target", "metadata", "move.metadata.commit.after"),
    ("source", "metadata", "move.source.fence"),
    ("source", "metadata", "move.metadata.end.before"),
)


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("place", PLACES)
def test_a_move_survives_the_kill_of_one_process(victim, place, cluster):
    kill_at(place, (victim,), cluster)


@pytest.mark.parametrize(("first", "second", "place"), PAIRS)
def test_a_move_survives_the_kill_of_two_processes(first, second, place, cluster):
    kill_at(place, (first, second), cluster)


def kill_at(place, victims, cluster):
    """Kills the victims during a move, while the process that reaches `place` is stopped there."""
    with moving(cluster) as move:
        process = cluster.processes[move.process_of(place.split(".")[1])]
        before = count_reached(process, place)
        with cluster.failpoints.held(place):
            cluster.ring.request_drain(move.source)
            wait_until_at(process, place, after=before)
            cluster.kill(*map(move.process_of, victims))
        for victim in victims:
            cluster.start(move.process_of(victim))
        cluster.wait_until_alive(move.source, move.target)
        # The request itself may be lost with the metadata service; repeating it is harmless.
        assert cluster.ring.drain(move.source) is None
        move.wait_until_drained()
        move.finish()
    cluster.assert_running()


@pytest.mark.parametrize("place", ROLL_BACK)
def test_a_move_that_is_rolled_back_survives_the_kill_of_the_metadata_service(place, cluster):
    with moving(cluster) as move:
        metadata, target = cluster.processes["metadata-0"], cluster.processes[move.target]
        fenced = count_reached(target, "move.target.fenced")
        with cluster.failpoints.held("move.target.fenced"):
            assert cluster.ring.drain(move.source) is None
            wait_until_at(target, "move.target.fenced", after=fenced)
            before = count_reached(metadata, place)
            with cluster.failpoints.held(place):
                cluster.kill(move.target)
                wait_until_at(metadata, place, after=before)
                cluster.kill("metadata-0")
        cluster.start("metadata-0")
        # The source serves the partition while the target is down.
        move.load.wait_for_acknowledged(5, partitions=[0])
        cluster.start(move.target)
        move.wait_until_drained()
        move.finish()
