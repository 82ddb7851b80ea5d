"""Leaders of partitions as Kafka's clients see them: the gateways that they send requests to.

Any gateway serves any partition, so leaders only spread the work. All gateways compute the same
leaders from the set of live gateways, without communication, and few partitions change their leader
when a gateway joins or leaves. Clients that name their rack get leaders in it, if there are any.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import Final, NamedTuple

_HASHES: Final = Struct("<16I")
_SEED: Final = Struct("<iI")


class Broker(NamedTuple):
    """A gateway, at its address for the clients of one listener."""

    node_id: int
    host: str
    port: int
    rack: str | None


class PartitionLeader(NamedTuple):
    """Node ids of a partition's leader, and of the replicas that clients may read it from.

    There is a replica for each rack, as Java's consumer reads only from replicas that Metadata
    lists (Cluster.nodeIfOnline).
    """

    leader: int
    replicas: tuple[int, ...]


class LeaderAssignment:
    """The leaders of partitions, as clients of one rack see them; `rack` None: of no rack."""

    def __init__(self, candidates: Sequence[Broker], rack: str | None) -> None:
        """`candidates`: the live gateways, by node id; at least one."""
        racks = sorted({broker.rack for broker in candidates if broker.rack})
        self._by_rack = {
            name: _ids(broker for broker in candidates if broker.rack == name) for name in racks
        }
        self._racks = {broker.node_id: broker.rack for broker in candidates}
        self._eligible = self._by_rack.get(rack or "") or _ids(candidates)

    def topic_leaders(self, topic_id: bytes, partition_count: int) -> list[PartitionLeader]:
        """Returns leader and replicas of each partition of a topic (16-byte id)."""
        leaders = assign_leaders(topic_id, partition_count, self._eligible)
        if len(self._by_rack) < 2:
            return [PartitionLeader(leader, (leader,)) for leader in leaders]
        by_rack = {
            rack: assign_leaders(topic_id, partition_count, node_ids)
            for rack, node_ids in self._by_rack.items()
        }
        led = []
        for partition, leader in enumerate(leaders):
            own_rack = self._racks[leader]
            others = (ids[partition] for rack, ids in by_rack.items() if rack != own_rack)
            led.append(PartitionLeader(leader, (leader, *others)))
        return led

    def leader(self, topic_id: bytes, partition_count: int, partition: int) -> int:
        """Returns the leader of one partition, the same as `topic_leaders` does."""
        return assign_leaders(topic_id, partition_count, self._eligible)[partition]

    def preferred_replica(
        self, topic_id: bytes, partition_count: int, partition: int, rack: str
    ) -> int:
        """Returns the replica of a partition that clients in a rack read from."""
        leader = self.leader(topic_id, partition_count, partition)
        node_ids = self._by_rack.get(rack)
        if node_ids is None or self._racks[leader] == rack:
            return leader
        return assign_leaders(topic_id, partition_count, node_ids)[partition]


@lru_cache(maxsize=4096)
def assign_leaders(
    topic_id: bytes, partition_count: int, node_ids: tuple[int, ...]
) -> tuple[int, ...]:
    """Returns the leader of each partition, so that no gateway leads more than an even share.

    Uses rendezvous hashing (Thaler and Ravishankar 1998): pairs of partition and gateway are taken
    in the order of their hashes, and a gateway that has its share is skipped.
    """
    capacity = dict.fromkeys(node_ids, -(-partition_count // len(node_ids)))
    leaders: dict[int, int] = {}
    for _, partition, node_id in sorted(_hashed_pairs(topic_id, partition_count, node_ids)):
        if capacity[node_id] and partition not in leaders:
            leaders[partition] = node_id
            capacity[node_id] -= 1
    return tuple(leaders[partition] for partition in range(partition_count))


def _hashed_pairs(
    topic_id: bytes, partition_count: int, node_ids: Iterable[int]
) -> Iterator[tuple[int, int, int]]:
    """Yields hash, partition and node id of each pair of partition and gateway."""
    for node_id in node_ids:
        for first in range(0, partition_count, 16):
            digest = blake2b(topic_id + _SEED.pack(node_id, first)).digest()
            hashes = _HASHES.unpack(digest)
            for partition in range(first, min(first + 16, partition_count)):
                yield hashes[partition - first], partition, node_id


def _ids(brokers: Iterable[Broker]) -> tuple[int, ...]:
    return tuple(broker.node_id for broker in brokers)
