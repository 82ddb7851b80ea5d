"""The circle of consistent hashing: where members and partitions are, and who comes after whom.

Every member has `POINTS` points on a circle of 2**64, every partition has one. A partition's *walk*
goes from there over the members' points, round the circle. Hashes are BLAKE2b (RFC 7693) of names,
topic ids and partition numbers alone: they are the same in every process and in every release.
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

#: Points of one member: with so many, what its arcs hold is within about 9 % of its share.
POINTS: Final = 128

_ROUND: Final = 1 << 64
_FEW: Final = 8
_STEPS: Final = 64
_DIGEST: Final = Struct("<8Q")
_PARTITION: Final = Struct("<I")
_NOBODY: Final[frozenset[int]] = frozenset()


def position_of(key: PartitionKey) -> int:
    """Where a partition is on the circle: 0 … 2**64 - 1."""
    topic_id, partition = key
    digest = blake2b(topic_id + _PARTITION.pack(partition), digest_size=8).digest()
    return int.from_bytes(digest, "little")


class HashCircle:
    """The points of members, each of which is named by its place in the list."""

    def __init__(self, members: Sequence[str]) -> None:
        self._points_of = [array("Q", sorted(_points(name))) for name in members]
        # Two points at one place are in the order of their members.
        points = sorted((point, who) for who, own in enumerate(self._points_of) for point in own)
        self._points = array("Q", (point for point, _ in points))
        self._owners = array("I", (who for _, who in points))

    def first(
        self, place: int, among: AbstractSet[int], without: AbstractSet[int] = _NOBODY
    ) -> int | None:
        """Whom a walk from a place on the circle reaches first; None where there is nobody."""
        if len(among) > _FEW:
            owners = self._owners
            start = bisect_left(self._points, place)
            for at in range(start, start + _STEPS):
                member = owners[at % len(owners)]
                if member in among and member not in without:
                    return member
        # Of few members each tells sooner how far it is than a walk finds one of them.
        distances = ((self._distance(place, who), who) for who in among if who not in without)
        return min(distances, default=(0, None))[1]

    def is_before(self, place: int, member: int, other: int) -> bool:
        """Whether a walk from a place reaches `member` before `other`."""
        return self._distance(place, member) < self._distance(place, other)

    def _distance(self, place: int, member: int) -> int:
        points = self._points_of[member]
        nearest = bisect_left(points, place)
        return points[nearest] - place if nearest < len(points) else points[0] - place + _ROUND


def _points(name: str) -> Iterator[int]:
    for block in range(POINTS // 8):
        yield from _DIGEST.unpack(blake2b(f"{name}/{block}".encode()).digest())
