"""Samples: a group with two members, its committed offsets and the ends of its logs."""

import struct

from common.ports.classic_groups import DescribedGroup, DescribedMember
from common.ports.group_errors import GroupClient
from common.ports.group_offsets import CommittedOffset


def assignment(topics):
    """Encodes a ConsumerProtocolAssignment of version 0."""
    parts = [struct.pack(">hi", 0, len(topics))]
    for topic, partitions in topics.items():
        name = topic.encode()
        parts.append(struct.pack(f">h{len(name)}si", len(name), name, len(partitions)))
        parts += [struct.pack(">i", partition) for partition in partitions]
    return b"".join([*parts, struct.pack(">i", -1)])


def member(member_id, topics, *, instance=None):
    client = GroupClient("app", "/10.0.0.1")
    return DescribedMember(member_id, instance, client, b"", assignment(topics))


STABLE = DescribedGroup(
    "readers",
    "Stable",
    "consumer",
    "range",
    [member("m-1", {"orders": [1, 0], "bills": [0]}), member("m-2", {"orders": [2]}, instance="i")],
)
EMPTY = DescribedGroup("readers", "Empty", "consumer")
COMMITTED = [
    CommittedOffset("orders", 0, 7),
    CommittedOffset("orders", 1, 3),
    CommittedOffset("gone", 0, 4),
    CommittedOffset("orders", 2, -1),
]
ENDS = {("orders", 0): 10, ("orders", 1): 3, ("orders", 2): 8, ("bills", 0): 2}
