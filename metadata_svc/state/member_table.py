"""State of members that only the metadata service needs; watchers do not receive it.

`change_log.py` applies every change both here and to the view.
"""

from collections import Counter
from collections.abc import Iterable

from common.cluster.view import ClusterView
from common.ports.metadata import Placement
from common.ports.moves import RingState
from metadata_svc.state.mutation import Mutation
from metadata_svc.state.store import State


class MemberTable:
    """Ring states, partition counts and volumes of members, and the state of rebalancing.

    `next_move_id` is the first unallocated move id. `is_rebalancing` is true until all moves that
    follow from a change of the ring are done. `lost_volumes` maps each volume that was declared
    lost to the name of the member that had it.
    """

    def __init__(self) -> None:
        self.next_move_id = 1
        self.is_rebalancing = False
        self.lost_volumes: dict[str, str] = {}
        #: The newest token of each member's volume; members of older releases have none.
        self.volume_tokens: dict[str, str] = {}
        #: Members whose next volume an operator has accepted.
        self.accepted_volumes: set[str] = set()
        self._states: dict[str, RingState] = {}
        self._owned: Counter[str] = Counter()

    def state(self, member: str) -> RingState:
        """Returns a member's ring state; OUTSIDE for an unknown member."""
        return self._states.get(member, RingState.OUTSIDE)

    def in_state(self, state: RingState) -> frozenset[str]:
        """Returns the names of the members in one state."""
        return frozenset(name for name, current in self._states.items() if current is state)

    def owned(self, member: str) -> int:
        """Returns the number of partitions that a member owns."""
        return self._owned[member]

    def loads(self) -> dict[str, int]:
        """Returns the partition count of each member that owns a partition."""
        return {name: count for name, count in self._owned.items() if count > 0}

    def load(self, state: State) -> None:
        """Replaces everything by the stored state."""
        self._states = dict(state.ring_states)
        self.next_move_id = state.next_move_id
        self.is_rebalancing = state.is_rebalancing
        self.lost_volumes = dict(state.lost_volumes)
        self.volume_tokens = dict(state.volume_tokens)
        self.accepted_volumes = set(state.accepted_volumes)
        self._owned = Counter()
        for topic in state.topics:
            self._count(topic.partitions, 1)

    def apply(self, mutation: Mutation, before: ClusterView) -> None:
        """Applies a change; `before` is the view without it."""
        for topic in mutation.deleted_topics:
            self._count(topic.partitions, -1)
        for topic in mutation.topics:
            replaced = before.topic_by_id(topic.topic_id)
            self._count(topic.partitions, 1)
            self._count(() if replaced is None else replaced.partitions, -1)
        for topic_id, partition, placement in mutation.placements:
            old = before.placement(topic_id, partition)
            self._count((placement,), 1)
            self._count(() if old is None else (old,), -1)
        for name in mutation.removed_members:
            self._states.pop(name, None)
            self.volume_tokens.pop(name, None)
            self.accepted_volumes.discard(name)
        self._states.update(mutation.ring_states)
        self.lost_volumes.update(mutation.lost_volumes)
        self.volume_tokens.update(mutation.volume_tokens)
        for name, is_accepted in mutation.accepted_volumes.items():
            (self.accepted_volumes.add if is_accepted else self.accepted_volumes.discard)(name)
        if mutation.is_rebalancing is not None:
            self.is_rebalancing = mutation.is_rebalancing
        if mutation.next_move_id is not None:
            self.next_move_id = mutation.next_move_id

    def _count(self, placements: Iterable[Placement], weight: int) -> None:
        for owner, _ in placements:
            self._owned[owner] += weight
