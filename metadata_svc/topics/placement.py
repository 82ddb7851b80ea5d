"""Which partition services own the partitions of new topics.

The ring says, over those of its members that are alive: a member that is down gets nothing new as
long as another lives, for a topic that cannot be written to is of no use. It keeps what it has, and
when it is back nothing is moved for that alone: only a change of the ring moves data.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from common.cluster.ring import HashRing
from common.ports.metadata import Placement

_FIRST_LEADER_EPOCH = 0


def place(
    sizes: Sequence[tuple[bytes, int]], candidates: Collection[str], loads: Mapping[str, int]
) -> list[tuple[Placement, ...]]:
    """Placements by partition index, for each new topic.

    Args:
        sizes: topic ids, and how many partitions each has.
        candidates: the members that may own them; at least one.
        loads: how many partitions each member owns now.
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
    """The owner of each partition, given as topic id and index; the rest is as in `place`."""
    known = {name: load for name, load in loads.items() if name in candidates}
    return ring_of(frozenset(candidates)).place(keys, known)


@lru_cache(maxsize=4)
def ring_of(members: frozenset[str]) -> HashRing:
    """Of a thousand members it takes a second to make."""
    return HashRing(members)
