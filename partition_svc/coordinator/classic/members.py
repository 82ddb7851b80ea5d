"""The members of a classic group: who they are, who leads, which protocols all of them know.

Kafka: ClassicGroup's members, staticMembers, pendingJoinMembers, pendingSyncMembers.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from common.ports.classic_groups import GroupProtocol
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic.member import ClassicGroupMember


class ClassicGroupMembers:
    """In the order in which they came. The first is the leader until it is lost.

    `pending`: member ids that were given out (KIP-394) and when they expire, in milliseconds.
    `not_synced`: ids of members from which this generation has no SyncGroup yet.
    """

    __slots__ = ("_by_id", "_member_ids", "_support", "leader", "not_synced", "pending")

    def __init__(self) -> None:
        self._by_id: dict[str, ClassicGroupMember] = {}
        self._member_ids: dict[str, str] = {}  # by instance id
        self._support: Counter[str] = Counter()  # members that know a protocol
        self.leader: str | None = None
        self.pending: dict[str, int] = {}
        self.not_synced: set[str] = set()

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[ClassicGroupMember]:
        return iter(self._by_id.values())

    def __contains__(self, member_id: object) -> bool:
        return member_id in self._by_id

    def __getitem__(self, member_id: str) -> ClassicGroupMember:
        return self._by_id[member_id]

    def id_of(self, group_instance_id: str | None) -> str | None:
        """Who has an instance id now (KIP-345)."""
        return None if group_instance_id is None else self._member_ids.get(group_instance_id)

    def check(self, member_id: str, group_instance_id: str | None) -> GroupRefusal | None:
        """Why a request does not speak for a member (ClassicGroup.validateMember)."""
        if group_instance_id is not None:
            known_id = self._member_ids.get(group_instance_id)
            if known_id is not None and known_id != member_id:
                return GroupRefusal.FENCED_INSTANCE_ID
            if known_id is None:
                return GroupRefusal.UNKNOWN_MEMBER_ID
        return None if member_id in self._by_id else GroupRefusal.UNKNOWN_MEMBER_ID

    def add(self, member: ClassicGroupMember) -> None:
        self._by_id[member.member_id] = member
        if member.group_instance_id is not None:
            self._member_ids[member.group_instance_id] = member.member_id
        self._support.update(_names(member.protocols))
        self.pending.pop(member.member_id, None)
        if self.leader is None:
            self.leader = member.member_id

    def remove(self, member: ClassicGroupMember) -> None:
        del self._by_id[member.member_id]
        if self.id_of(member.group_instance_id) == member.member_id:
            self._member_ids.pop(member.group_instance_id or "")
        self._support.subtract(_names(member.protocols))
        self._support = +self._support
        self.not_synced.discard(member.member_id)
        if self.leader == member.member_id:
            self.leader = next(iter(self._by_id), None)

    def replace(self, member: ClassicGroupMember, by: ClassicGroupMember) -> None:
        """A static member under a new member id; it leads and owes what it did before."""
        leads, owes = self.leader == member.member_id, member.member_id in self.not_synced
        self.remove(member)
        self.add(by)
        if leads:
            self.leader = by.member_id
        if owes:
            self.not_synced.add(by.member_id)

    def set_protocols(self, member: ClassicGroupMember, protocols: Sequence[GroupProtocol]) -> None:
        self._support.subtract(_names(member.protocols))
        self._support.update(_names(protocols))
        self._support = +self._support
        member.protocols = protocols

    def supports_any(self, protocols: Sequence[GroupProtocol]) -> bool:
        """Whether every member knows one of these, the same for all."""
        return any(self._support[one.name] == len(self) for one in protocols)

    def choose_protocol(self) -> str:
        """The protocol with most votes among those that all know; of equals the first voted for."""
        candidates = {name for name, count in self._support.items() if count == len(self)}
        votes = Counter(member.vote(candidates) for member in self)
        return votes.most_common(1)[0][0]

    @property
    def have_all_joined(self) -> bool:
        """Whether nobody is waited for: no member, and nobody who was given a member id."""
        return not self.pending and all(one.join_ticket is not None for one in self)

    @property
    def rebalance_timeout_ms(self) -> int:
        return max((one.rebalance_timeout_ms for one in self), default=0)

    def elect_joined_leader(self) -> bool:
        """Makes somebody who joined the leader, rather the old one; False: nobody joined."""
        joined = [one.member_id for one in self if one.join_ticket is not None]
        if self.leader not in joined:
            self.leader = joined[0] if joined else self.leader
        return bool(joined)


def _names(protocols: Sequence[GroupProtocol]) -> set[str]:
    return {one.name for one in protocols}
