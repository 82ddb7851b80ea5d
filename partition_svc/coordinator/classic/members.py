"""The members of a classic group: their ids, the leader, and the protocols that all support.

Kafka: ClassicGroup's members, staticMembers, pendingJoinMembers, pendingSyncMembers.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from common.ports.classic_groups import GroupProtocol
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic.member import ClassicGroupMember


class ClassicGroupMembers:
    """Members in the order in which they joined. The first is the leader until it is removed.

    `pending`: assigned member ids that have not joined (KIP-394), and when they expire in ms.
    `not_synced`: ids of members that have sent no SyncGroup in this generation.
    """

    __slots__ = ("_by_id", "_member_ids", "_support", "leader", "not_synced", "pending")

    def __init__(self) -> None:
        self._by_id: dict[str, ClassicGroupMember] = {}
        self._member_ids: dict[str, str] = {}  # by instance id
        self._support: Counter[str] = Counter()  # number of members by protocol
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
        """Returns the member id of a static member (KIP-345)."""
        return None if group_instance_id is None else self._member_ids.get(group_instance_id)

    def check(self, member_id: str, group_instance_id: str | None) -> GroupRefusal | None:
        """Returns why a request is not from a member, if so (ClassicGroup.validateMember)."""
        if group_instance_id is not None:
            current_id = self._member_ids.get(group_instance_id)
            if current_id is not None and current_id != member_id:
                return GroupRefusal.FENCED_INSTANCE_ID
            if current_id is None:
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
        """Replaces a static member by `by`, which leads the group, or has to sync, if that did."""
        leads, must_sync = self.leader == member.member_id, member.member_id in self.not_synced
        self.remove(member)
        self.add(by)
        if leads:
            self.leader = by.member_id
        if must_sync:
            self.not_synced.add(by.member_id)

    def set_protocols(self, member: ClassicGroupMember, protocols: Sequence[GroupProtocol]) -> None:
        self._support.subtract(_names(member.protocols))
        self._support.update(_names(protocols))
        self._support = +self._support
        member.protocols = protocols

    def supports_any(self, protocols: Sequence[GroupProtocol]) -> bool:
        """True if all members support the same one of these protocols."""
        return any(self._support[protocol.name] == len(self) for protocol in protocols)

    def choose_protocol(self) -> str:
        """Returns the protocol with most votes of those that all support; of equals the first."""
        candidates = {name for name, count in self._support.items() if count == len(self)}
        votes = Counter(member.vote(candidates) for member in self)
        return votes.most_common(1)[0][0]

    @property
    def all_have_joined(self) -> bool:
        """True if all members have joined and no member id is pending."""
        return not self.pending and all(member.pending_join is not None for member in self)

    @property
    def rebalance_timeout_ms(self) -> int:
        return max((member.rebalance_timeout_ms for member in self), default=0)

    def elect_joined_leader(self) -> bool:
        """Makes a member that joined the leader, preferably the current one. False: none joined."""
        joined = [member.member_id for member in self if member.pending_join is not None]
        if self.leader not in joined:
            self.leader = joined[0] if joined else self.leader
        return bool(joined)


def _names(protocols: Sequence[GroupProtocol]) -> set[str]:
    return {protocol.name for protocol in protocols}
