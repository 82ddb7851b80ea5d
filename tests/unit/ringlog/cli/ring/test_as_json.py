"""Tests of the JSON output, one line with all fields of the text output."""

import json

from common.ports.moves import DiskState, LostPartitions, RingRefusal, RingResult
from ringlog.cli.ring.as_json import moves_json, result_json, status_json
from tests.unit.ringlog.cli.ring.rings import member, move, ring

RING = ring(
    member("partition-0", partitions=5, disk=DiskState(7_000, is_writable=False)),
    moves=[move(1, 4, 2, trouble="no room")],
    waiting=2,
    waiting_bytes=3,
    troubles=["It is full."],
)


def test_status_has_members_moves_and_sums():
    line = status_json(RING)
    assert line.endswith("}\n")
    assert line.count("\n") == 1
    status = json.loads(line)
    assert status["members"] == [
        {
            "name": "partition-0",
            "address": "partition-0:9292",
            "state": "JOINED",
            "is_alive": True,
            "partitions": 5,
            "planned": 5,
            "size_bytes": 1_500_000,
            "room_bytes": 7_000,
            "is_writable": False,
        }
    ]
    assert (status["troubles"], status["unsized_moves"]) == (["It is full."], 0)
    assert (status["waiting_moves"], status["waiting_bytes"]) == (2, 3)
    assert status["is_rebalancing"] is False
    assert (status["remaining_bytes"], status["eta_s"], status["revision"]) == (6, 3.0, 9)


def test_moves_have_no_members():
    moves = json.loads(moves_json(RING))
    assert "members" not in moves
    (described,) = moves["moves"]
    assert described["topic_id"] == "_" * 21 + "w"
    assert (described["move_id"], described["topic"], described["partition"]) == (7, "orders", 3)
    assert (described["source"], described["target"]) == ("partition-0", "partition-1")
    assert (described["phase"], described["leader_epoch"]) == ("PREPARE", 5)
    assert (described["copied_bytes"], described["total_bytes"], described["bytes_per_second"]) == (
        1,
        4,
        2,
    )
    assert described["trouble"] == "no room"


def test_result_is_null_or_a_refusal_with_its_reason():
    success = {"refusal": None, "message": None, "lost": []}
    assert json.loads(result_json(RingResult())) == success
    lost = LostPartitions(b"\xff" * 16, "orders", (0, 3), 700)
    refusal = RingResult(RingRefusal.NOT_EMPTY, "it holds two", [lost])
    assert json.loads(result_json(refusal)) == {
        "refusal": "NOT_EMPTY",
        "message": "it holds two",
        "lost": [
            {
                "topic": "orders",
                "topic_id": "_" * 21 + "w",
                "partitions": [0, 3],
                "size_bytes": 700,
            }
        ],
    }
