"""The hash ring: the partition service that should own each partition.

Consistent hashing with virtual nodes (Karger et al. 1997) and bounded loads (Mirrokni, Thorup and
Zadimoghaddam 2016): a partition goes to the first member on its walk round the circle that has
room. Members below the average are tried first, so loads are as even as whole partitions can be.

The ring computes the desired owners; the placement table of the metadata service has the current
ones. The ring has no state: it places new partitions, and finds those that should move.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from common.cluster.hash_circle import HashCircle, PartitionKey, position_of

_CAP_PERCENT: Final = 125


def max_load(partitions: int, members: int) -> int:
    """Returns the most partitions that one member may own: 1.25 times the average, rounded down.

    If that is not a whole partition above the average: the average, rounded up.
    """
    return max(-(-partitions // members), partitions * _CAP_PERCENT // (members * 100))


class HashRing:
    """The members that partitions are placed on."""

    def __init__(self, members: Collection[str]) -> None:
        """Raises ValueError if there is no member."""
        if not members:
            raise ValueError("a ring has at least one member")
        self.members: tuple[str, ...] = tuple(sorted(set(members)))
        self._circle = HashCircle(self.members)

    def place(self, keys: Sequence[PartitionKey], loads: Mapping[str, int]) -> list[str]:
        """Returns the owners of new partitions, in the order of `keys`.

        `loads` are the current numbers of partitions of all members, including members that have
        left the ring: their partitions will move to the others. The partitions of a topic are
        spread: each member with room gets one before any gets a second.
        """
        room = _Room(self._circle, [loads.get(name, 0) for name in self.members])
        total = sum(loads.values())
        rounds: dict[bytes, set[int]] = {}
        owners = []
        for new_total, key in enumerate(keys, start=total + 1):
            room.set_total(new_total)
            chosen = rounds.setdefault(key[0], set())
            member = room.find(position_of(key), without=chosen)
            if member is None:
                chosen.clear()
                member = room.find_any(position_of(key))
            chosen.add(member)
            room.fill(member)
            owners.append(self.members[member])
        return owners

    def rebalance(self, current: Mapping[PartitionKey, str]) -> dict[PartitionKey, str]:
        """Returns the partitions that should move, with their new owners. Idempotent.

        1. Partitions of members that are not on the ring are placed like new ones.
        2. Members below the average, such as new ones, are filled up to it (rounded down) from
           those above it, first with partitions whose walk reaches them before their owner.
        3. Members that are still above `max_load` give up their excess.

        From even loads, a member that joins or leaves moves one member's share and no more:
        nothing moves between the members that stay.
        """
        return _Rebalance(self.members, self._circle, current).moves()


class _Room:
    """The members with room: below the average, then up to it, then up to `max_load`."""

    def __init__(self, circle: HashCircle, loads: list[int]) -> None:
        """`loads` is by member, and is updated by `fill`."""
        self._circle = circle
        self._loads = loads
        self._limits = (0, 0, 0)
        self._open: list[set[int]] = [set(), set(), set()]

    def set_total(self, total: int) -> None:
        """Sets the limits for `total` partitions, including those without an owner."""
        members = len(self._loads)
        limits = (total // members, -(-total // members), max_load(total, members))
        for level, limit in enumerate(limits):
            if limit != self._limits[level]:
                self._open[level] = {
                    member for member, load in enumerate(self._loads) if load < limit
                }
        self._limits = limits

    def find(self, position: int, without: AbstractSet[int] = frozenset()) -> int | None:
        """Returns the first member with room on a walk, without those in `without`, or None."""
        for is_open in self._open:
            if (member := self._circle.first(position, is_open, without)) is not None:
                return member
        return None

    def find_any(self, position: int) -> int:
        """Returns the first member with room on a walk: the limits add up to at least the total."""
        member = self.find(position)
        assert member is not None
        return member

    def fill(self, member: int) -> None:
        """Adds one partition to the load of a member."""
        self._loads[member] += 1
        for is_open, limit in zip(self._open, self._limits, strict=True):
            if self._loads[member] >= limit:
                is_open.discard(member)


class _Rebalance:
    """One computation of `HashRing.rebalance`."""

    def __init__(
        self, members: Sequence[str], circle: HashCircle, current: Mapping[PartitionKey, str]
    ) -> None:
        self._members = members
        self._circle = circle
        self._current = current
        self._departed = Counter(current.values())
        self._loads = [self._departed.pop(name, 0) for name in members]
        self._moves: dict[PartitionKey, int] = {}

    def moves(self) -> dict[PartitionKey, str]:
        total, members = len(self._current), len(self._members)
        if self._departed:
            self._place(self._orphaned())
        if min(self._loads) < total // members:
            self._level(total // members)
        if max(self._loads) > max_load(total, members):
            self._place(self._excess())
        return {key: self._members[member] for key, member in self._moves.items()}

    def _orphaned(self) -> list[tuple[int, PartitionKey]]:
        return sorted(
            (position_of(key), key) for key, name in self._current.items() if name in self._departed
        )

    def _place(self, partitions: Iterable[tuple[int, PartitionKey]]) -> None:
        room = _Room(self._circle, self._loads)
        room.set_total(len(self._current))
        for position, key in partitions:
            member = room.find_any(position)
            room.fill(member)
            self._moves[key] = member

    def _level(self, average: int) -> None:
        """Fills the members below the average up to it.

        First from members above the average rounded up, and first with partitions whose walk
        reaches the new owner before the current one.
        """
        leveling = _Leveling(self._circle, self._loads, self._moves, average)
        owned = self._owned_above(average)
        rounded_up = -(-len(self._current) // len(self._members))
        for load_min in (rounded_up, average):
            for only_if_before in (True, False):
                leveling.fill_from(owned, load_min, only_if_before=only_if_before)

    def _owned_above(self, load: int) -> list[tuple[int, PartitionKey, int]]:
        """Returns position, key and owner of the partitions of members with more than `load`.

        They are in the order of the circle.
        """
        index = {
            name: member for member, name in enumerate(self._members) if self._loads[member] > load
        }
        return sorted(
            (position_of(key), key, index[name])
            for key, name in self._current.items()
            if name in index
        )

    def _excess(self) -> Iterator[tuple[int, PartitionKey]]:
        limit = max_load(len(self._current), len(self._members))
        for position, key, owner in self._owned_above(limit):
            if self._loads[owner] > limit and key not in self._moves:
                self._loads[owner] -= 1
                yield position, key


class _Leveling:
    """Fills the members below the average with partitions of others."""

    def __init__(
        self, circle: HashCircle, loads: list[int], moves: dict[PartitionKey, int], average: int
    ) -> None:
        self._circle = circle
        self._loads = loads
        self._moves = moves
        self._average = average
        self._below = {member for member, load in enumerate(loads) if load < average}

    def fill_from(
        self, owned: Iterable[tuple[int, PartitionKey, int]], load_min: int, *, only_if_before: bool
    ) -> None:
        """Moves partitions of owners above `load_min` until no member is below the average."""
        for position, key, owner in owned:
            if not self._below:
                return
            if self._loads[owner] <= load_min or key in self._moves:
                continue
            member = self._circle.first(position, self._below)
            assert member is not None
            if not only_if_before or self._circle.is_before(position, member, owner):
                self._move(key, owner, member)

    def _move(self, key: PartitionKey, owner: int, member: int) -> None:
        self._moves[key] = member
        self._loads[owner] -= 1
        self._loads[member] += 1
        if self._loads[member] >= self._average:
            self._below.discard(member)
