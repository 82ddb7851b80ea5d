"""The ends of waiting: success, failure and timeout."""

import asyncio

import pytest

from common.ports.moves import RingState
from common.ports.unavailable import BackendUnavailable
from ringlog.cli.actions import CommandFailed
from ringlog.cli.ring import waiting
from ringlog.cli.ring.waiting import wait_until_drained, wait_until_settled
from tests.unit.ringlog.cli.ring.rings import FakeRing, member, move, ring

NAME = "partition-1"
DRAINING = ring(member(NAME, RingState.DRAINING, partitions=2, planned=0), waiting=2)
DRAINED = ring(member(NAME, RingState.DRAINED))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(waiting, "_POLL_S", 0)


def drained(*descriptions, timeout_s=None):
    lines = []
    asyncio.run(
        wait_until_drained(FakeRing(*descriptions), NAME, lines.append, timeout_s=timeout_s)
    )
    return lines


def test_a_drain_reports_its_progress_and_its_end():
    lines = drained(DRAINING, DRAINING, DRAINED)
    assert lines == [
        "partition-1: 2 partitions left; 0 moving, 2 waiting, 0 B left, 0 B/s, ETA 0s",
        "partition-1: DRAINED",
    ]


def test_a_member_that_is_removed_meanwhile_ends_the_wait():
    assert drained(DRAINING, ring())[-1] == "partition-1: removed"


def test_a_restart_of_the_metadata_service_does_not_end_the_wait():
    assert drained(DRAINING, BackendUnavailable("gone"), DRAINED)[-1] == "partition-1: DRAINED"


def test_a_member_that_is_added_again_fails_the_wait():
    with pytest.raises(CommandFailed, match="added to the ring again"):
        drained(DRAINING, ring(member(NAME)))


def test_a_timeout_fails_the_wait_with_the_last_progress():
    with pytest.raises(CommandFailed, match=r"not within 0.05 s: partition-1: 2 partitions left"):
        drained(DRAINING, timeout_s=0.05)


@pytest.mark.parametrize(
    "unsettled",
    [
        ring(member("a"), is_rebalancing=True),
        ring(member("a"), moves=[move()]),
        ring(member("a"), waiting=1),
    ],
    ids=["a plan that is not made yet", "a move", "a move that waits"],
)
def test_a_ring_is_settled_when_nothing_moves_waits_or_is_planned(unsettled):
    lines = []
    fake = FakeRing(unsettled, ring(member("a", partitions=2)))
    asyncio.run(wait_until_settled(fake, lines.append, timeout_s=None))
    assert lines[-1] == "nothing is moving"
    assert len(fake.descriptions) == 1
