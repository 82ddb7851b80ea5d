"""Which gateway clients are sent to for a partition: its "leader", as Kafka's clients see it.

Any gateway serves any partition, so this only spreads the work. Every gateway says the same without
asking another, as long as the same ones live, and says the same for most partitions when one comes
or goes. Clients that tell their rack are sent to gateways there, where some live.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import Final, NamedTuple

_HASHES: Final = Struct("<16I")
_SEED: Final = Struct("<iI")


class Broker(NamedTuple):
    """A gateway at the address that clients of one listener are told."""

    node_id: int
    host: str
    port: int
    rack: str | None


class PartitionLeader(NamedTuple):
    """Node ids: who leads a partition, and all whom clients of some rack may read it from.

    Java's consumer reads from none that is not among the replicas (Cluster.nodeIfOnline).
    """

    leader: int
    replicas: tuple[int, ...]


class LeaderAssignment:
    """Who leads what, as clients of one rack are told; None for those who tell no rack."""

    def __init__(self, among: Sequence[Broker], rack: str | None) -> None:
        """`among`: live gateways, by node id; at least one."""
        racks = sorted({one.rack for one in among if one.rack})
        self._near = {name: _ids(one for one in among if one.rack == name) for name in racks}
        self._rack_of = {one.node_id: one.rack for one in among}
        self._may_lead = self._near.get(rack or "") or _ids(among)

    def topic_leaders(self, topic_id: bytes, partition_count: int) -> list[PartitionLeader]:
        """For each partition of a topic (16-byte id)."""
        led = assign_leaders(topic_id, partition_count, self._may_lead)
        if len(self._near) < 2:
            return [PartitionLeader(leader, (leader,)) for leader in led]
        readers = [
            (rack, assign_leaders(topic_id, partition_count, near))
            for rack, near in self._near.items()
        ]
        return [
            PartitionLeader(
                leader, (leader, *(near[partition] for rack, near in readers if rack != own))
            )
            for partition, leader in enumerate(led)
            for own in (self._rack_of[leader],)
        ]

    def leader(self, topic_id: bytes, partition_count: int, partition: int) -> int:
        """As `topic_leaders` says, for one partition."""
        return assign_leaders(topic_id, partition_count, self._may_lead)[partition]

    def preferred_replica(
        self, topic_id: bytes, partition_count: int, partition: int, rack: str
    ) -> int:
        """Whom clients in a rack read a partition from: one of its `replicas`."""
        leader = self.leader(topic_id, partition_count, partition)
        near = self._near.get(rack)
        if near is None or self._rack_of[leader] == rack:
            return leader
        return assign_leaders(topic_id, partition_count, near)[partition]


@lru_cache(maxsize=4096)
def assign_leaders(
    topic_id: bytes, partition_count: int, node_ids: tuple[int, ...]
) -> tuple[int, ...]:
    """A leader for each partition, out of `node_ids`, none with more than its even part.

    Rendezvous hashing (Thaler and Ravishankar 1998), in which the heaviest wish of all comes first
    and a gateway that has its part gets no more.
    """
    room = dict.fromkeys(node_ids, -(-partition_count // len(node_ids)))
    led: dict[int, int] = {}
    for _, partition, node_id in sorted(_wishes(topic_id, partition_count, node_ids)):
        if room[node_id] and partition not in led:
            led[partition] = node_id
            room[node_id] -= 1
    return tuple(led[partition] for partition in range(partition_count))


def _wishes(
    topic_id: bytes, partition_count: int, node_ids: Iterable[int]
) -> Iterator[tuple[int, int, int]]:
    """A hash for each partition and gateway, and whose it is."""
    for node_id in node_ids:
        for first in range(0, partition_count, 16):
            digest = blake2b(topic_id + _SEED.pack(node_id, first)).digest()
            hashes = _HASHES.unpack(digest)
            for partition in range(first, min(first + 16, partition_count)):
                yield hashes[partition - first], partition, node_id


def _ids(brokers: Iterable[Broker]) -> tuple[int, ...]:
    return tuple(one.node_id for one in brokers)
