"""The ring as JSON for scripts. Later versions may add names, and change none."""

from typing import Any

from common.ports.moves import MoveDescription, RingDescription, RingMember, RingResult
from ringlog.cli.output import json_line, uuid_text
from ringlog.cli.ring.as_text import eta_s, remaining_bytes


def status_json(ring: RingDescription) -> str:
    """Renders members, moves and sums."""
    return json_line({"members": [_member(member) for member in ring.members], **_progress(ring)})


def moves_json(ring: RingDescription) -> str:
    """Renders moves and sums."""
    return json_line(_progress(ring))


def result_json(result: RingResult) -> str:
    """Renders the result of a change; `refusal` is null if it was done.

    `lost` has the partitions that are lost with a removed member.
    """
    refusal = result.refusal.name if result.refusal else None
    lost_partitions = [
        {
            "topic": lost.topic,
            "topic_id": uuid_text(lost.topic_id),
            "partitions": list(lost.partitions),
            "size_bytes": lost.size_bytes,
        }
        for lost in result.lost
    ]
    return json_line({"refusal": refusal, "message": result.message, "lost": lost_partitions})


def _progress(ring: RingDescription) -> dict[str, Any]:
    return {
        "revision": ring.revision,
        "moves": [_move(described) for described in ring.moves],
        "waiting_moves": ring.waiting_moves,
        "waiting_bytes": ring.waiting_bytes,
        "is_rebalancing": ring.is_rebalancing,
        "remaining_bytes": remaining_bytes(ring),
        "eta_s": eta_s(ring),
        "unsized_moves": ring.unsized_moves,
        "troubles": list(ring.troubles),
    }


def _member(member: RingMember) -> dict[str, Any]:
    return {
        "name": member.name,
        "address": member.address,
        "state": member.state.name,
        "is_alive": member.is_alive,
        "partitions": member.partitions,
        "planned": member.planned,
        "size_bytes": member.size_bytes,
        "room_bytes": None if member.disk is None else member.disk.room_bytes,
        "is_writable": None if member.disk is None else member.disk.is_writable,
    }


def _move(described: MoveDescription) -> dict[str, Any]:
    move = described.move
    return {
        "move_id": move.move_id,
        "topic": described.topic,
        "topic_id": uuid_text(move.topic_id),
        "partition": move.partition,
        "source": move.source,
        "target": move.target,
        "leader_epoch": move.leader_epoch,
        "phase": move.phase.name,
        "copied_bytes": described.copied_bytes,
        "total_bytes": described.total_bytes,
        "bytes_per_second": described.bytes_per_second,
        "trouble": described.trouble,
    }
