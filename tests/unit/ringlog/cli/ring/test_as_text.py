"""Tests of the text output of the ring."""

import pytest

from common.ports.moves import DiskState, MovePhase, RingState
from ringlog.cli.ring.as_text import (
    drain_line,
    duration_text,
    eta_s,
    moves_text,
    size_text,
    status_text,
)
from tests.unit.ringlog.cli.ring.rings import member, move, ring


def test_status_has_a_line_for_each_member_and_one_for_the_progress():
    description = ring(
        member("partition-0", partitions=5, disk=DiskState(2_000_000_000)),
        member("partition-10", RingState.DRAINING, partitions=2, planned=0, is_alive=False),
        moves=[move(250_000, 1_000_000, 250_000)],
        waiting=3,
        waiting_bytes=1_000_000,
    )
    assert status_text(description) == (
        "MEMBER        STATE     ALIVE  PARTITIONS  PLANNED  SIZE    ROOM    ADDRESS\n"
        "partition-0   JOINED    yes    5           5        1.5 MB  2.0 GB  partition-0:9292\n"
        "partition-10  DRAINING  no     2           0        1.5 MB  ?       partition-10:9292\n"
        "1 moving, 3 waiting, 1.8 MB left, 250.0 KB/s, ETA 7s\n"
    )


def test_moves_have_bytes_rate_and_time_left():
    description = ring(
        moves=[move(250_000, 1_000_000, 250_000), move(5, 9, phase=MovePhase.COMMIT)]
    )
    first, second = moves_text(description).splitlines()[1:3]
    assert " ".join(first.split()) == (
        "7 orders-3 partition-0 partition-1 PREPARE 250.0 KB 1.0 MB 250.0 KB/s 3s"
    )
    assert second.endswith("0s")


def test_idle_ring_reports_that_nothing_is_moving():
    assert moves_text(ring()) == "nothing is moving\n"
    assert status_text(ring()).endswith("nothing is moving\n")
    assert moves_text(ring(is_rebalancing=True)) == "moves are being planned\n"


def test_moves_without_a_rate_have_no_estimate():
    stuck = ring(moves=[move(0, 100)])
    assert eta_s(stuck) is None
    assert moves_text(stuck).count("unknown") == 2
    assert eta_s(ring(moves=[move(100, 100)])) == 0.0


def test_moves_of_unknown_size_have_no_estimate():
    """An estimate would report 0 B left while everything is still to be moved."""
    description = ring(moves=[move()], waiting=3, waiting_bytes=500, unsized_moves=2)
    assert eta_s(description) is None
    assert moves_text(description).endswith(
        "1 moving, 3 waiting, at least 500 B left, 0 B/s, ETA unknown\n"
    )


def test_problems_of_moves_are_shown():
    description = ring(
        moves=[move(trouble="no room on the disk")], troubles=["2 partitions do not fit."]
    )
    lines = ["2 partitions do not fit.", "move 7 of orders-3 is stuck: no room on the disk"]
    assert moves_text(description).splitlines()[-2:] == lines
    assert status_text(description).splitlines()[-2:] == lines


def test_drain_line_shows_the_partitions_left():
    draining = member("partition-2", RingState.DRAINING, partitions=1, planned=0)
    assert (
        drain_line(draining, ring(draining)) == "partition-2: 1 partition left; nothing is moving"
    )


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (1_234_567_890, "1.2 GB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_size_text_formats_bytes(count, text):
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "unknown"), (0.2, "0s"), (59.6, "1m00s"), (200, "3m20s"), (7500, "2h05m")],
)
def test_duration_text_formats_seconds(seconds, text):
    assert duration_text(seconds) == text
