"""Tests of waiting until it succeeds, fails or times out."""

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
def _no_poll_interval(monkeypatch):
    monkeypatch.setattr(waiting, "_POLL_S", 0)


def wait_for_drain(*descriptions, timeout_s=None):
    lines = []
    asyncio.run(
        wait_until_drained(FakeRing(*descriptions), NAME, lines.append, timeout_s=timeout_s)
    )
    return lines


def test_wait_until_drained_reports_progress_and_the_end():
    lines = wait_for_drain(DRAINING, DRAINING, DRAINED)
    assert lines == [
        "partition-1: 2 partitions left; 0 moving, 2 waiting, 0 B left, 0 B/s, ETA 0s",
        "partition-1: DRAINED",
    ]


def test_wait_until_drained_ends_if_the_member_is_removed():
    assert wait_for_drain(DRAINING, ring())[-1] == "partition-1: removed"


def test_wait_until_drained_continues_after_an_unavailable_metadata_service():
    assert (
        wait_for_drain(DRAINING, BackendUnavailable("unreachable"), DRAINED)[-1]
        == "partition-1: DRAINED"
    )


def test_wait_until_drained_fails_if_the_member_is_added_again():
    with pytest.raises(CommandFailed, match="added to the ring again"):
        wait_for_drain(DRAINING, ring(member(NAME)))


def test_wait_until_drained_times_out_with_the_last_progress():
    with pytest.raises(CommandFailed, match=r"not within 0.05 s: partition-1: 2 partitions left"):
        wait_for_drain(DRAINING, timeout_s=0.05)


@pytest.mark.parametrize(
    "unsettled",
    [
        ring(member("a"), is_rebalancing=True),
        ring(member("a"), moves=[move()]),
        ring(member("a"), waiting=1),
    ],
    ids=["pending plan", "a move", "waiting move"],
)
def test_wait_until_settled_ends_when_no_move_is_active_waiting_or_planned(unsettled):
    lines = []
    fake = FakeRing(unsettled, ring(member("a", partitions=2)))
    asyncio.run(wait_until_settled(fake, lines.append, timeout_s=None))
    assert lines[-1] == "nothing is moving"
    assert len(fake.descriptions) == 1
