"""The calls, the output and the exit status of `ringlog ring`."""

import json
from contextlib import asynccontextmanager

import pytest

from common.ports.moves import LostPartitions, RingRefusal, RingResult, RingState
from common.ports.unavailable import BackendUnavailable
from ringlog.cli.ring.command import main
from tests.unit.ringlog.cli.ring.rings import FakeRing, member, move, ring

DRAINED = ring(member("partition-0"), member("partition-1", RingState.DRAINED))


def run(fake, *words):
    opened = []

    @asynccontextmanager
    async def connect(address):
        opened.append(address)
        yield fake

    status = main(words, environment={"RINGLOG_METADATA_ADDRESS": "m:1"}, connect=connect)
    assert opened == ["m:1"]
    return status


@pytest.mark.parametrize(
    ("words", "change", "output"),
    [
        (["add", "a"], ("add", "a"), "a is in the ring\n"),
        (["drain", "a"], ("drain", "a"), "a is being drained\n"),
        (["remove", "a"], ("remove", "a"), "a is removed\n"),
        (["remove", "a", "--accept-data-loss"], ("remove", "a", "lossy"), "a is removed\n"),
        (["cancel", "17"], ("cancel", 17), "move 17 is rolled back\n"),
        (["accept", "a"], ("accept", "a"), "the next volume of a will be accepted\n"),
    ],
)
def test_a_change_is_requested_once_and_confirmed(capsys, words, change, output):
    fake = FakeRing()
    assert run(fake, *words) == 0
    assert fake.changes == [change]
    assert capsys.readouterr().out == output


@pytest.mark.parametrize(
    "words", [["add", "a", "--wait"], ["drain", "a", "--wait"], ["remove", "a"]]
)
def test_a_refusal_is_reported_with_its_reason_and_exits_with_1(capsys, words):
    refused = FakeRing(result=RingResult(RingRefusal.UNKNOWN_MEMBER, "no member a"))
    assert run(refused, *words) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "ringlog ring: no member a\n")


LOST = [LostPartitions(bytes(16), "orders", (0, 1, 2, 7), 1_500)]
LOST_TABLE = "TOPIC   SIZE    PARTITIONS\norders  1.5 KB  0-2,7\n"


def test_partitions_that_would_be_lost_are_shown_with_the_command_to_accept_it(capsys):
    held = RingResult(RingRefusal.NOT_EMPTY, "a still holds 4 partitions.", LOST)
    assert run(FakeRing(result=held), "remove", "a") == 1
    captured = capsys.readouterr()
    assert captured.out == LOST_TABLE
    assert captured.err.splitlines() == [
        "ringlog ring: a still holds 4 partitions.",
        "ringlog ring: if its volume is permanently lost: ringlog ring remove a --accept-data-loss",
    ]


def test_lost_partitions_are_shown(capsys):
    done = FakeRing(result=RingResult(lost=LOST))
    assert run(done, "remove", "a", "--accept-data-loss") == 0
    assert capsys.readouterr().out == f"{LOST_TABLE}a is removed\n"
    assert run(done, "remove", "a", "--accept-data-loss", "--json") == 0
    assert json.loads(capsys.readouterr().out)["lost"][0]["partitions"] == [0, 1, 2, 7]


def test_a_refusal_as_json(capsys):
    refused = FakeRing(result=RingResult(RingRefusal.LAST_MEMBER))
    assert run(refused, "drain", "a", "--json") == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["refusal"] == "LAST_MEMBER"
    assert "LAST_MEMBER" in captured.err


@pytest.mark.parametrize("words", [["status"], ["moves"], ["add", "a"], ["cancel", "1"]])
def test_a_service_that_does_not_answer_is_named(capsys, words):
    gone = BackendUnavailable("metadata DescribeRing: UNAVAILABLE")
    assert run(FakeRing(gone, result=gone), *words) == 1
    captured = capsys.readouterr()
    assert "no answer from the cluster of m:1: metadata DescribeRing: UNAVAILABLE" in captured.err
    assert captured.out == ""


def test_status_and_moves_are_text_or_json(capsys):
    now = ring(member("partition-0"), moves=[move()])
    assert run(FakeRing(now), "status") == 0
    assert capsys.readouterr().out.startswith("MEMBER")
    assert run(FakeRing(now), "moves") == 0
    assert capsys.readouterr().out.startswith("MOVE")
    assert run(FakeRing(now), "status", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["members"]) == 1
    assert run(FakeRing(now), "moves", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["moves"]) == 1


@pytest.mark.parametrize(
    ("one", "status"),
    [
        (member("a", RingState.DRAINED), 0),
        (member("a", RingState.OUTSIDE), 0),
        (member("a", RingState.DRAINING, partitions=1, planned=0), 1),
        (member("a", RingState.JOINED), 1),
        (member("a", RingState.OUTSIDE, partitions=1), 1),
        (member("b", RingState.DRAINED), 1),
    ],
)
def test_require_drained_accepts_only_members_without_partitions(capsys, one, status):
    assert run(FakeRing(ring(one)), "status", "--require-drained", "a") == status
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


@pytest.mark.parametrize("words", [["add", "a", "--wait"], ["moves", "--wait"]])
def test_wait_ends_when_the_ring_is_settled(words):
    assert run(FakeRing(ring(member("a"))), *words) == 0


def test_an_interrupt_reports_that_changes_continue(capsys):
    @asynccontextmanager
    async def connect(address):
        raise KeyboardInterrupt
        yield address

    assert main(["status"], environment={}, connect=connect) == 130
    assert "requested changes of the ring continue" in capsys.readouterr().err
