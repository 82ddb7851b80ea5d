"""The ring as JSON for scripts. Names stay as they are across versions; new ones may come."""

from typing import Any

from common.ports.moves import MoveDescription, RingDescription, RingMember, RingResult
from ringlog.cli.output import json_line, uuid_text
from ringlog.cli.ring.as_text import eta_s, remaining_bytes


def status_json(ring: RingDescription) -> str:
    """Members, moves and sums, as one object on one line."""
    return json_line({"members": [_member(one) for one in ring.members], **_moving(ring)})


def moves_json(ring: RingDescription) -> str:
    """The same without the members."""
    return json_line(_moving(ring))


def result_json(result: RingResult) -> str:
    """`refusal` is null where it was done; `lost` goes with a member that is removed."""
    refusal = result.refusal.name if result.refusal else None
    lost = [
        {
            "topic": one.topic,
            "topic_id": uuid_text(one.topic_id),
            "partitions": list(one.partitions),
            "size_bytes": one.size_bytes,
        }
        for one in result.lost
    ]
    return json_line({"refusal": refusal, "message": result.message, "lost": lost})


def _moving(ring: RingDescription) -> dict[str, Any]:
    return {
        "revision": ring.revision,
        "moves": [_move(one) for one in ring.moves],
        "waiting_moves": ring.waiting_moves,
        "waiting_bytes": ring.waiting_bytes,
        "is_rebalancing": ring.is_rebalancing,
        "remaining_bytes": remaining_bytes(ring),
        "eta_s": eta_s(ring),
        "unsized_moves": ring.unsized_moves,
        "troubles": list(ring.troubles),
    }


def _member(one: RingMember) -> dict[str, Any]:
    return {
        "name": one.name,
        "address": one.address,
        "state": one.state.name,
        "is_alive": one.is_alive,
        "partitions": one.partitions,
        "planned": one.planned,
        "size_bytes": one.size_bytes,
        "room_bytes": None if one.disk is None else one.disk.room_bytes,
        "is_writable": None if one.disk is None else one.disk.is_writable,
    }


def _move(one: MoveDescription) -> dict[str, Any]:
    move = one.move
    return {
        "move_id": move.move_id,
        "topic": one.topic,
        "topic_id": uuid_text(move.topic_id),
        "partition": move.partition,
        "source": move.source,
        "target": move.target,
        "leader_epoch": move.leader_epoch,
        "phase": move.phase.name,
        "copied_bytes": one.copied_bytes,
        "total_bytes": one.total_bytes,
        "bytes_per_second": one.bytes_per_second,
        "trouble": one.trouble,
    }
