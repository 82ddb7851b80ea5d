"""Which partition service owns a new partition.

One owner holds everything in a cluster with one partition service. Owners are chosen when a topic
is made and stay: data does not follow a change of mind.
"""

from collections.abc import Collection

from common.ports.metadata import Placement

_FIRST_LEADER_EPOCH = 0


def place(partition_count: int, live_members: Collection[str]) -> tuple[Placement, ...] | None:
    """Placements by partition index, all on the first live member by name; None: nobody lives."""
    if not live_members:
        return None
    placement = Placement(min(live_members), _FIRST_LEADER_EPOCH)
    return (placement,) * partition_count
