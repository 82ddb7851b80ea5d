"""Tests of the calls, the output and the exit status of `ringlog ring`."""

import json
from contextlib import asynccontextmanager

import pytest

from common.ports.moves import LostPartitions, RingRefusal, RingResult, RingState
from common.ports.unavailable import BackendUnavailable
from ringlog.cli.ring.command import main
from tests.unit.ringlog.cli.ring.rings import FakeRing, member, move, ring

DRAINED = ring(member("partition-0"), member("partition-1", RingState.DRAINED))


def run(fake, *arguments):
    connected = []

    @asynccontextmanager
    async def connect(address):
        connected.append(address)
        yield fake

    status = main(arguments, environment={"RINGLOG_METADATA_ADDRESS": "m:1"}, connect=connect)
    assert connected == ["m:1"]
    return status


@pytest.mark.parametrize(
    ("arguments", "change", "output"),
    [
        (["add", "a"], ("add", "a"), "a is in the ring\n"),
        (["drain", "a"], ("drain", "a"), "a is being drained\n"),
        (["remove", "a"], ("remove", "a"), "a is removed\n"),
        (["remove", "a", "--accept-data-loss"], ("remove", "a", "lossy"), "a is removed\n"),
        (["cancel", "17"], ("cancel", 17), "move 17 is rolled back\n"),
        (["accept", "a"], ("accept", "a"), "the next volume of a will be accepted\n"),
    ],
)
def test_change_is_requested_once_and_confirmed(capsys, arguments, change, output):
    fake = FakeRing()
    assert run(fake, *arguments) == 0
    assert fake.changes == [change]
    assert capsys.readouterr().out == output


@pytest.mark.parametrize(
    "arguments", [["add", "a", "--wait"], ["drain", "a", "--wait"], ["remove", "a"]]
)
def test_refusal_is_reported_with_its_reason_and_exits_with_1(capsys, arguments):
    refusing_ring = FakeRing(result=RingResult(RingRefusal.UNKNOWN_MEMBER, "no member a"))
    assert run(refusing_ring, *arguments) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "ringlog ring: no member a\n")


LOST = [LostPartitions(bytes(16), "orders", (0, 1, 2, 7), 1_500)]
LOST_TABLE = "TOPIC   SIZE    PARTITIONS\norders  1.5 KB  0-2,7\n"


def test_partitions_that_would_be_lost_are_shown_with_the_command_to_accept_it(capsys):
    not_empty = RingResult(RingRefusal.NOT_EMPTY, "a still holds 4 partitions.", LOST)
    assert run(FakeRing(result=not_empty), "remove", "a") == 1
    captured = capsys.readouterr()
    assert captured.out == LOST_TABLE
    assert captured.err.splitlines() == [
        "ringlog ring: a still holds 4 partitions.",
        "ringlog ring: if its volume is permanently lost: ringlog ring remove a --accept-data-loss",
    ]


def test_lost_partitions_are_shown(capsys):
    removing_ring = FakeRing(result=RingResult(lost=LOST))
    assert run(removing_ring, "remove", "a", "--accept-data-loss") == 0
    assert capsys.readouterr().out == f"{LOST_TABLE}a is removed\n"
    assert run(removing_ring, "remove", "a", "--accept-data-loss", "--json") == 0
    assert json.loads(capsys.readouterr().out)["lost"][0]["partitions"] == [0, 1, 2, 7]


def test_refusal_is_written_as_json(capsys):
    refusing_ring = FakeRing(result=RingResult(RingRefusal.LAST_MEMBER))
    assert run(refusing_ring, "drain", "a", "--json") == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["refusal"] == "LAST_MEMBER"
    assert "LAST_MEMBER" in captured.err


@pytest.mark.parametrize("arguments", [["status"], ["moves"], ["add", "a"], ["cancel", "1"]])
def test_unavailable_service_is_reported(capsys, arguments):
    unavailable = BackendUnavailable("metadata DescribeRing: UNAVAILABLE")
    assert run(FakeRing(unavailable, result=unavailable), *arguments) == 1
    captured = capsys.readouterr()
    assert "the cluster of m:1 does not respond: metadata DescribeRing: UNAVAILABLE" in captured.err
    assert captured.out == ""


def test_status_and_moves_are_text_or_json(capsys):
    description = ring(member("partition-0"), moves=[move()])
    assert run(FakeRing(description), "status") == 0
    assert capsys.readouterr().out.startswith("MEMBER")
    assert run(FakeRing(description), "moves") == 0
    assert capsys.readouterr().out.startswith("MOVE")
    assert run(FakeRing(description), "status", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["members"]) == 1
    assert run(FakeRing(description), "moves", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["moves"]) == 1


@pytest.mark.parametrize(
    ("described", "status"),
    [
        (member("a", RingState.DRAINED), 0),
        (member("a", RingState.OUTSIDE), 0),
        (member("a", RingState.DRAINING, partitions=1, planned=0), 1),
        (member("a", RingState.JOINED), 1),
        (member("a", RingState.OUTSIDE, partitions=1), 1),
        (member("b", RingState.DRAINED), 1),
    ],
)
def test_require_drained_accepts_only_members_without_partitions(capsys, described, status):
    assert run(FakeRing(ring(described)), "status", "--require-drained", "a") == status
    captured = capsys.readouterr()
    assert captured.out
    assert bool(captured.err) is bool(status)


def test_drain_with_wait_ends_when_the_member_is_drained(capsys):
    fake = FakeRing(DRAINED)
    assert run(fake, "drain", "partition-1", "--wait") == 0
    assert fake.changes == [("drain", "partition-1")]
    assert "DRAINED" in capsys.readouterr().err


def test_drain_with_wait_exits_with_1_after_its_timeout(capsys):
    draining = ring(member("a", RingState.DRAINING, partitions=1, planned=0))
    assert run(FakeRing(draining), "drain", "a", "--wait", "--timeout", "0.01") == 1
    assert "not within 0.01 s" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["add", "a", "--wait"], ["moves", "--wait"]])
def test_wait_ends_when_the_ring_is_settled(arguments):
    assert run(FakeRing(ring(member("a"))), *arguments) == 0


def test_interrupt_reports_that_changes_continue(capsys):
    @asynccontextmanager
    async def connect(address):
        raise KeyboardInterrupt
        yield address

    assert main(["status"], environment={}, connect=connect) == 130
    assert "requested changes of the ring continue" in capsys.readouterr().err
