"""The circle of consistent hashing: the positions of members and partitions, and their order.

Every member has `POINTS` points on a circle of 2**64, every partition has one. The *walk* of a
partition goes from its point over the members' points, round the circle. Hashes are BLAKE2b (RFC
7693) of names, topic ids and partition numbers only: the same in every process and every release.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from hashlib import blake2b
from struct import Struct
from typing import Final

#: A topic's id (16 bytes) and a partition's number.
PartitionKey = tuple[bytes, int]

#: Points of one member; its arcs then have its share within about 9 %.
POINTS: Final = 128

_ROUND: Final = 1 << 64
#: Largest number of members for which computing all distances is faster than a walk.
_FEW: Final = 8
#: Steps of a walk before all distances are computed instead.
_STEPS: Final = 64
_DIGEST: Final = Struct("<8Q")
_PARTITION: Final = Struct("<I")
_NO_MEMBERS: Final[frozenset[int]] = frozenset()


def position_of(key: PartitionKey) -> int:
    """Returns the point of a partition on the circle: 0 … 2**64 - 1."""
    topic_id, partition = key
    digest = blake2b(topic_id + _PARTITION.pack(partition), digest_size=8).digest()
    return int.from_bytes(digest, "little")


class HashCircle:
    """The points of members, which are identified by their index in the list."""

    def __init__(self, members: Sequence[str]) -> None:
        self._points_of = [array("Q", sorted(_points(name))) for name in members]
        # Equal points are in the order of their members.
        points = sorted(
            (point, member) for member, own in enumerate(self._points_of) for point in own
        )
        self._points = array("Q", (point for point, _ in points))
        self._owners = array("I", (member for _, member in points))

    def first(
        self, position: int, among: AbstractSet[int], without: AbstractSet[int] = _NO_MEMBERS
    ) -> int | None:
        """Returns the first member on a walk from `position`; None if there is none.

        Only members of `among` that are not in `without` count.
        """
        if len(among) > _FEW:
            owners = self._owners
            start = bisect_left(self._points, position)
            for step in range(start, start + _STEPS):
                member = owners[step % len(owners)]
                if member in among and member not in without:
                    return member
        distances = (
            (self._distance(position, member), member) for member in among if member not in without
        )
        return min(distances, default=(0, None))[1]

    def is_before(self, position: int, member: int, other: int) -> bool:
        """True if a walk from `position` reaches `member` before `other`."""
        return self._distance(position, member) < self._distance(position, other)

    def _distance(self, position: int, member: int) -> int:
        points = self._points_of[member]
        nearest = bisect_left(points, position)
        if nearest < len(points):
            return points[nearest] - position
        return points[0] - position + _ROUND


def _points(name: str) -> Iterator[int]:
    for block in range(POINTS // 8):
        yield from _DIGEST.unpack(blake2b(f"{name}/{block}".encode()).digest())
