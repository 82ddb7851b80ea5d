"""Placement of new partitions on partition services by consistent hashing.

The hash ring contains the live members only: a dead member gets no new partitions while another
member is alive, since a topic without a live owner cannot be written to. The dead member keeps its
partitions, and its return moves none: only a change of the ring moves data.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from common.cluster.ring import HashRing
from common.ports.metadata import Placement

_FIRST_LEADER_EPOCH = 0


def place(
    sizes: Sequence[tuple[bytes, int]], candidates: Collection[str], loads: Mapping[str, int]
) -> list[tuple[Placement, ...]]:
    """Returns the placements of each new topic, by partition index.

    Args:
        sizes: topic id and partition count of each topic.
        candidates: members that may own the partitions; at least one.
        loads: the number of partitions that each member owns now.
    """
    keys = [(topic_id, partition) for topic_id, count in sizes for partition in range(count)]
    owners = iter(owners_of(keys, candidates, loads))
    return [
        tuple(Placement(next(owners), _FIRST_LEADER_EPOCH) for _ in range(count))
        for _, count in sizes
    ]


def owners_of(
    keys: Sequence[tuple[bytes, int]], candidates: Collection[str], loads: Mapping[str, int]
) -> Sequence[str]:
    """Returns the owner of each key (topic id, partition); other arguments as in `place`."""
    known = {name: load for name, load in loads.items() if name in candidates}
    return ring_of(frozenset(candidates)).place(keys, known)


@lru_cache(maxsize=4)
def ring_of(members: frozenset[str]) -> HashRing:
    """Returns a cached hash ring; building one of a thousand members takes a second."""
    return HashRing(members)
