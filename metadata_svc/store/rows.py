"""Topics and members as they are kept: JSON, so that an operator can read a store.

A topic: {"id": hex, "name", "owners": [names], "placement": [[index of owner, leader epoch], …],
"configs": {…}, "internal": bool}. A member: {"name", "address"}. Who is alive: [identities].
"""

import json
from collections.abc import Collection, Sequence
from typing import Any

from common.ports.metadata import Member, Placement, Topic


def encode_topic(topic: Topic) -> bytes:
    owners = sorted({placement.owner for placement in topic.partitions})
    index = {owner: number for number, owner in enumerate(owners)}
    row = {
        "id": topic.topic_id.hex(),
        "name": topic.name,
        # Names once: a topic of many partitions has few owners.
        "owners": owners,
        "placement": [[index[one.owner], one.leader_epoch] for one in topic.partitions],
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
    return _encode({"name": member.name, "address": member.address})


def decode_member(value: bytes) -> Member:
    row = json.loads(value)
    return Member(name=row["name"], address=row["address"])


def encode_live(identities: Collection[str]) -> bytes:
    return _encode(sorted(identities))


def decode_live(value: bytes) -> frozenset[str]:
    return frozenset(json.loads(value))


def _encode(row: dict[str, Any] | list[str]) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode()
