"""The states of a classic group, and the table of its transitions.

A group without members is Empty; its committed offsets may remain. When a member joins it, the
group prepares a rebalance: it waits until all members have joined, or until the rebalance timeout
has passed, and removes dynamic members that have not joined. That completes the join phase and
starts a generation. The group now waits for the assignment, which the leader sends with SyncGroup,
and is Stable once it has it. Whenever the members or their subscriptions change, the generation
ends and the next rebalance begins, also before its assignment came. A rebalance that no member
joined leaves the group Empty. Deleting it, which only an empty group permits, makes it Dead: no
request reaches that object again.

Two more transitions lead to Stable without a rebalance: loading a group from the log, and the
downgrade of a consumer group (KIP-848). Both rebalance from there where no assignment is in force.
The upgrade to a consumer group is no transition, since it replaces the classic group.

Kafka: ClassicGroupState, whose table has the previous states of each state, and no events.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final


class ClassicGroupState(Enum):
    """Values are Kafka's names (ClassicGroupState)."""

    #: No members; committed offsets may remain.
    EMPTY = "Empty"
    #: Waiting for members to join.
    PREPARING_REBALANCE = "PreparingRebalance"
    #: A generation has started; waiting for its leader's assignment.
    COMPLETING_REBALANCE = "CompletingRebalance"
    #: The generation has its assignment.
    STABLE = "Stable"
    #: Deleted.
    DEAD = "Dead"


class ClassicGroupEvent(Enum):
    """Causes of transitions."""

    #: Members or their subscriptions have changed (`rebalance.prepare_rebalance`).
    REBALANCE_STARTED = auto()
    #: All members have joined, or the time to join is over (`rebalance.complete_join`).
    JOIN_COMPLETED = auto()
    #: The time to join is over and no member is left (`rebalance.complete_join`).
    ALL_MEMBERS_LEFT = auto()
    #: The leader has sent the assignment (`sync.py`).
    ASSIGNMENT_RECEIVED = auto()
    #: The group was read from the log, with members (`timeouts.restart`).
    MEMBERS_LOADED = auto()
    #: The members of a consumer group were taken over (`consumer/downgrade.py`).
    DOWNGRADED = auto()
    #: The group was deleted, or expired with its last offset (`ClassicGroup.delete`).
    DELETED = auto()


_State, _Event = ClassicGroupState, ClassicGroupEvent

#: The next state by state and event. Any other combination is a bug.
TRANSITIONS: Final[Mapping[tuple[ClassicGroupState, ClassicGroupEvent], ClassicGroupState]] = {
    (_State.EMPTY, _Event.REBALANCE_STARTED): _State.PREPARING_REBALANCE,
    (_State.EMPTY, _Event.MEMBERS_LOADED): _State.STABLE,
    (_State.EMPTY, _Event.DOWNGRADED): _State.STABLE,
    (_State.EMPTY, _Event.DELETED): _State.DEAD,
    (_State.PREPARING_REBALANCE, _Event.JOIN_COMPLETED): _State.COMPLETING_REBALANCE,
    (_State.PREPARING_REBALANCE, _Event.ALL_MEMBERS_LEFT): _State.EMPTY,
    (_State.COMPLETING_REBALANCE, _Event.ASSIGNMENT_RECEIVED): _State.STABLE,
    (_State.COMPLETING_REBALANCE, _Event.REBALANCE_STARTED): _State.PREPARING_REBALANCE,
    (_State.STABLE, _Event.REBALANCE_STARTED): _State.PREPARING_REBALANCE,
}


class IllegalTransition(Exception):
    """Raised when a group gets an event that its state does not permit: a bug in the coordinator.

    The request that caused it fails and the group is rolled back.
    """

    def __init__(self, state: ClassicGroupState, event: ClassicGroupEvent) -> None:
        super().__init__(f"a classic group in state {state.value} got the event {event.name}")


def next_state(state: ClassicGroupState, event: ClassicGroupEvent) -> ClassicGroupState:
    """Returns the state after `event`. Raises `IllegalTransition`."""
    following = TRANSITIONS.get((state, event))
    if following is None:
        raise IllegalTransition(state, event)
    return following
