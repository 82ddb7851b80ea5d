"""The ring: which partition service a partition should be on.

Consistent hashing with virtual nodes (Karger et al. 1997) and bounded loads (Mirrokni, Thorup and
Zadimoghaddam 2016): a partition goes to the first member on its walk round the circle that has
room. Room is first looked for below the average, so loads are as even as whole partitions can be.

The ring says who should own, the placement table of the metadata service who does. The ring
remembers nothing: it is asked where new partitions go, and which ones should move.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from common.cluster.hash_circle import HashCircle, PartitionKey, position_of

_CAP_PERCENT: Final = 125


def max_load(partitions: int, members: int) -> int:
    """How many of `partitions` one of `members` may have: 1.25 times the average, rounded down.

    Where that is not a whole partition above the average: the average, rounded up.
    """
    return max(-(-partitions // members), partitions * _CAP_PERCENT // (members * 100))


class HashRing:
    """The members that partitions are placed on."""

    def __init__(self, members: Collection[str]) -> None:
        """Raises ValueError where there is no member."""
        if not members:
            raise ValueError("a ring has at least one member")
        self.members: tuple[str, ...] = tuple(sorted(set(members)))
        self._circle = HashCircle(self.members)

    def place(self, keys: Sequence[PartitionKey], loads: Mapping[str, int]) -> list[str]:
        """The owners of new partitions, in the order of `keys`.

        `loads`: how many partitions each member has now, those included that are on the ring no
        more: what they have is still to come. The partitions of a topic go round the members that
        have room: one for each before anybody gets a second.
        """
        room = _Room(self._circle, [loads.get(name, 0) for name in self.members])
        total = sum(loads.values())
        rounds: dict[bytes, set[int]] = {}
        owners = []
        for total_then, key in enumerate(keys, start=total + 1):
            room.measure(total_then)
            served = rounds.setdefault(key[0], set())
            member = room.find(position_of(key), without=served)
            if member is None:
                served.clear()
                member = room.find_any(position_of(key))
            served.add(member)
            room.fill(member)
            owners.append(self.members[member])
        return owners

    def rebalance(self, current: Mapping[PartitionKey, str]) -> dict[PartitionKey, str]:
        """The partitions that should move, and to whom. After these moves, none.

        1. What belongs to somebody who is not on the ring goes where a new partition would go.
        2. Who has less than the average, as a new member has, is filled up to it (rounded down)
           from those above it, and first with what reaches it before its owner.
        3. Who still has more than the max_load gives up what is too much.

        From even loads, a member that comes or goes moves one member's share and no more: nothing
        goes from one to another of those who stay.
        """
        return _Rebalance(self.members, self._circle, current).moves()


class _Room:
    """Who has room: those below the average first, then up to it, then up to the max_load."""

    def __init__(self, circle: HashCircle, loads: list[int]) -> None:
        """`loads` of the members; they are changed here."""
        self._circle = circle
        self._loads = loads
        self._limits = (0, 0, 0)
        self._open: list[set[int]] = [set(), set(), set()]

    def measure(self, total: int) -> None:
        """Makes room for so many partitions in all, those without an owner included."""
        members = len(self._loads)
        limits = (total // members, -(-total // members), max_load(total, members))
        for level, limit in enumerate(limits):
            if limit != self._limits[level]:
                self._open[level] = {who for who, load in enumerate(self._loads) if load < limit}
        self._limits = limits

    def find(self, place: int, without: AbstractSet[int] = frozenset()) -> int | None:
        """The first with room on the walk from a place; None where only those left out have any."""
        for is_open in self._open:
            if (member := self._circle.first(place, is_open, without)) is not None:
                return member
        return None

    def find_any(self, place: int) -> int:
        """As `find`. Somebody has room: all caps together are no less than the total."""
        member = self.find(place)
        assert member is not None
        return member

    def fill(self, member: int) -> None:
        """Counts one more partition of a member."""
        self._loads[member] += 1
        for is_open, limit in zip(self._open, self._limits, strict=True):
            if self._loads[member] >= limit:
                is_open.discard(member)


class _Rebalance:
    """One answer of `HashRing.rebalance`, in the making."""

    def __init__(
        self, members: Sequence[str], circle: HashCircle, current: Mapping[PartitionKey, str]
    ) -> None:
        self._members = members
        self._circle = circle
        self._current = current
        self._gone = Counter(current.values())
        self._loads = [self._gone.pop(name, 0) for name in members]
        self._moves: dict[PartitionKey, int] = {}

    def moves(self) -> dict[PartitionKey, str]:
        total, members = len(self._current), len(self._members)
        if self._gone:
            self._place(self._homeless())
        if min(self._loads) < total // members:
            self._level(total // members)
        if max(self._loads) > max_load(total, members):
            self._place(self._too_much())
        return {key: self._members[member] for key, member in self._moves.items()}

    def _homeless(self) -> list[tuple[int, PartitionKey]]:
        return sorted(
            (position_of(key), key) for key, name in self._current.items() if name in self._gone
        )

    def _place(self, partitions: Iterable[tuple[int, PartitionKey]]) -> None:
        room = _Room(self._circle, self._loads)
        room.measure(len(self._current))
        for place, key in partitions:
            member = room.find_any(place)
            room.fill(member)
            self._moves[key] = member

    def _level(self, average: int) -> None:
        """Brings who is below the average up to it.

        From those first who have more than the average rounded up, and by preference what is
        reached by its taker before its owner.
        """
        taking = _Taking(self._circle, self._loads, self._moves, average)
        held = self._held(average)
        rounded_up = -(-len(self._current) // len(self._members))
        for enough in (rounded_up, average):
            for only_if_before in (True, False):
                taking.take(held, enough, only_if_before)

    def _held(self, more_than: int) -> list[tuple[int, PartitionKey, int]]:
        """Place, key and owner of what stays with those who have more, in circle order."""
        index = {
            name: who for who, name in enumerate(self._members) if self._loads[who] > more_than
        }
        return sorted(
            (position_of(key), key, index[name])
            for key, name in self._current.items()
            if name in index
        )

    def _too_much(self) -> Iterator[tuple[int, PartitionKey]]:
        limit = max_load(len(self._current), len(self._members))
        for place, key, owner in self._held(limit):
            if self._loads[owner] > limit and key not in self._moves:
                self._loads[owner] -= 1
                yield place, key


class _Taking:
    """Members below the average, and what they take from others."""

    def __init__(
        self, circle: HashCircle, loads: list[int], moves: dict[PartitionKey, int], average: int
    ) -> None:
        self._circle = circle
        self._loads = loads
        self._moves = moves
        self._average = average
        self._below = {who for who, load in enumerate(loads) if load < average}

    def take(
        self, held: Iterable[tuple[int, PartitionKey, int]], enough: int, only_if_before: bool
    ) -> None:
        """Takes from owners who have more than `enough`, until nobody is below the average."""
        for place, key, owner in held:
            if not self._below:
                return
            if self._loads[owner] <= enough or key in self._moves:
                continue
            member = self._circle.first(place, self._below)
            assert member is not None
            if not only_if_before or self._circle.is_before(place, member, owner):
                self._move(key, owner, member)

    def _move(self, key: PartitionKey, owner: int, member: int) -> None:
        self._moves[key] = member
        self._loads[owner] -= 1
        self._loads[member] += 1
        if self._loads[member] >= self._average:
            self._below.discard(member)
