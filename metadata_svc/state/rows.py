"""Stored rows of topics, members and moves, in JSON so that an operator can read a store.

A topic: {"id": hex, "name", "owners": [names], "placement": [[index of owner, leader epoch], …],
"configs": {…}, "internal": bool}. A placement: [owner, leader epoch].
A member: {"name", "address", "volume", "incarnation", "opening"}.
A move: {"id", "topic": hex, "partition", "source", "target", "epoch", "phase": name}.
Live processes: [identities].
"""

import json
from collections.abc import Collection, Sequence
from typing import Any

from common.ports.metadata import Member, Placement, Topic
from common.ports.moves import Move, MovePhase, RingState


def encode_topic(topic: Topic) -> bytes:
    owners = sorted({placement.owner for placement in topic.partitions})
    index = {owner: number for number, owner in enumerate(owners)}
    row = {
        "id": topic.topic_id.hex(),
        "name": topic.name,
        # Each owner's name is stored once: a topic of many partitions has few owners.
        "owners": owners,
        "placement": [[index[owner], leader_epoch] for owner, leader_epoch in topic.partitions],
        "configs": dict(topic.configs),
        "internal": topic.is_internal,
    }
    return _encode(row)


def decode_topic(value: bytes) -> Topic:
    row = json.loads(value)
    owners: Sequence[str] = row["owners"]
    return Topic(
        topic_id=bytes.fromhex(row["id"]),
        name=row["name"],
        partitions=tuple(Placement(owners[owner], epoch) for owner, epoch in row["placement"]),
        configs=row["configs"],
        is_internal=row["internal"],
    )


def encode_member(member: Member) -> bytes:
    row = {
        "name": member.name,
        "address": member.address,
        "volume": member.volume_id,
        "incarnation": member.incarnation,
        "opening": member.opening_id,
    }
    return _encode(row)


def decode_member(value: bytes) -> Member:
    """Parses a row; "volume", "incarnation" and "opening" are missing in rows of old releases."""
    row = json.loads(value)
    return Member(
        row["name"],
        row["address"],
        row.get("volume", ""),
        row.get("incarnation", 0),
        row.get("opening", ""),
    )


def encode_placement(placement: Placement) -> bytes:
    return _encode(list(placement))


def decode_placement(value: bytes) -> Placement:
    owner, leader_epoch = json.loads(value)
    return Placement(owner, leader_epoch)


def encode_move(move: Move) -> bytes:
    row = {
        "id": move.move_id,
        "topic": move.topic_id.hex(),
        "partition": move.partition,
        "source": move.source,
        "target": move.target,
        "epoch": move.leader_epoch,
        "phase": move.phase.name,
    }
    return _encode(row)


def decode_move(value: bytes) -> Move:
    row = json.loads(value)
    return Move(
        move_id=row["id"],
        topic_id=bytes.fromhex(row["topic"]),
        partition=row["partition"],
        source=row["source"],
        target=row["target"],
        leader_epoch=row["epoch"],
        phase=MovePhase[row["phase"]],
    )


def encode_ring_state(state: RingState) -> bytes:
    return state.name.encode()


def decode_ring_state(value: bytes) -> RingState:
    return RingState[value.decode()]


def encode_live(identities: Collection[str]) -> bytes:
    return _encode(sorted(identities))


def decode_live(value: bytes) -> frozenset[str]:
    return frozenset(json.loads(value))


def _encode(row: dict[str, Any] | list[Any]) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode()
