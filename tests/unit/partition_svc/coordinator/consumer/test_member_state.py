from itertools import product

import pytest

from partition_svc.coordinator.consumer.member import (
    LEAVE_GROUP_STATIC_MEMBER_EPOCH,
    ConsumerGroupMember,
)
from partition_svc.coordinator.consumer.member_state import TRANSITIONS, MemberEvent
from partition_svc.coordinator.records.stored_consumer import EMPTY_ASSIGNMENT, MemberState

A, B, C = ((b"topic".ljust(16), index) for index in range(3))
State, Event = MemberState, MemberEvent


def member_in(state):
    """A member of epoch 5 that owns A; in UNREVOKED_PARTITIONS it is revoking B."""
    revoking = frozenset({B}) if state is State.UNREVOKED_PARTITIONS else EMPTY_ASSIGNMENT
    return ConsumerGroupMember(
        "m", epoch=5, previous_epoch=4, state=state, assigned=frozenset({A}), revoking=revoking
    )


#: The target of epoch 6 that leads to each event, for a member that owns A; C is not free.
TARGETS = {
    Event.REVOCATION_STARTED: frozenset({B}),
    Event.PARTITIONS_MISSING: frozenset({A, C}),
    Event.TARGET_REACHED: frozenset({A, B}),
}


@pytest.mark.parametrize(
    ("state", "event"), TRANSITIONS, ids=lambda value: getattr(value, "name", None)
)
def test_member_takes_every_row_of_the_table(state, event):
    member = member_in(state)
    if event is Event.LEFT_TEMPORARILY:
        member.leave_temporarily()
        epoch = LEAVE_GROUP_STATIC_MEMBER_EPOCH
    else:
        member.reconcile(TARGETS[event], 6, frozenset({A}), lambda partition: partition != C)
        epoch = 5 if event is Event.REVOCATION_STARTED else 6
    assert member.state is TRANSITIONS[state, event]
    assert member.epoch == epoch
    assert bool(member.revoking) == (member.state is State.UNREVOKED_PARTITIONS)


def test_table_has_a_row_for_every_state_and_event():
    assert set(TRANSITIONS) == set(product(State, Event))


@pytest.mark.parametrize("owned", [None, frozenset({A, B}), frozenset({B})])
def test_member_takes_no_step_until_it_confirms_the_revocation(owned):
    member = member_in(State.UNREVOKED_PARTITIONS)
    before = member.current()
    for target in TARGETS.values():
        member.reconcile(target, 6, owned, lambda partition: True)
        assert member.current() == before


def test_previous_epoch_changes_only_with_the_epoch():
    member = member_in(State.STABLE)
    member.reconcile(TARGETS[Event.REVOCATION_STARTED], 6, frozenset({A}), lambda partition: True)
    assert (member.epoch, member.previous_epoch) == (5, 4)
    member.reconcile(TARGETS[Event.REVOCATION_STARTED], 6, EMPTY_ASSIGNMENT, lambda partition: True)
    assert (member.epoch, member.previous_epoch) == (6, 5)
