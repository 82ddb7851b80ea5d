"""Transitions of classic groups: requests reach each row of the table, and no other transition."""

import ast
from itertools import product
from pathlib import Path

import pytest

import partition_svc.coordinator
from partition_svc.coordinator.classic.group import ClassicGroup
from partition_svc.coordinator.classic.state import (
    TRANSITIONS,
    ClassicGroupEvent,
    ClassicGroupState,
    IllegalTransition,
    next_state,
)
from partition_svc.coordinator.settings import GroupSettings
from tests.support.clients.classic_readers import ClassicReader, run
from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup
from tests.support.groups.driven_group import DrivenGroup

State, Event = ClassicGroupState, ClassicGroupEvent


def start_and_leave():
    """Starts a generation of one member, which leaves before its assignment; deletes the group."""
    driven = DrivenGroup()
    driven.join(new_id="a")
    driven.leave("a")
    driven.group.delete("t", driven.now_ms)


def assign_and_rebalance():
    driven = DrivenGroup()
    driven.stable("a")
    driven.join(new_id="b")


def load():
    driven = DrivenGroup()
    driven.stable("a")
    driven.restart()


def downgrade():
    simulated = SimulatedConsumerGroup(a=2)
    consumer, classic = Reader(simulated, "m1"), ClassicReader(simulated)
    run(consumer, classic)
    consumer.leave()
    assert simulated.group.as_listed_group().group_type == "classic"


SCENARIOS = {
    (State.EMPTY, Event.REBALANCE_STARTED): start_and_leave,
    (State.PREPARING_REBALANCE, Event.JOIN_COMPLETED): start_and_leave,
    (State.COMPLETING_REBALANCE, Event.REBALANCE_STARTED): start_and_leave,
    (State.PREPARING_REBALANCE, Event.ALL_MEMBERS_LEFT): start_and_leave,
    (State.EMPTY, Event.DELETED): start_and_leave,
    (State.COMPLETING_REBALANCE, Event.ASSIGNMENT_RECEIVED): assign_and_rebalance,
    (State.STABLE, Event.REBALANCE_STARTED): assign_and_rebalance,
    (State.EMPTY, Event.MEMBERS_LOADED): load,
    (State.EMPTY, Event.DOWNGRADED): downgrade,
}


@pytest.fixture
def recorded_transitions(monkeypatch):
    """The transitions that groups take during the test."""
    transitions = set()
    transition = ClassicGroup.transition

    def record(group, event):
        before = group.state
        transition(group, event)
        transitions.add((before, event))

    monkeypatch.setattr(ClassicGroup, "transition", record)
    return transitions


@pytest.mark.parametrize("row", TRANSITIONS, ids=lambda row: f"{row[0].name} {row[1].name}")
def test_requests_reach_every_row_of_the_table(recorded_transitions, row):
    SCENARIOS[row]()
    assert row in recorded_transitions
    assert recorded_transitions <= TRANSITIONS.keys()


def test_every_other_event_is_illegal_and_leaves_the_state():
    others = set(product(State, Event)) - TRANSITIONS.keys()
    assert len(others) == len(State) * len(Event) - len(TRANSITIONS)
    for state, event in others:
        with pytest.raises(IllegalTransition, match=event.name):
            next_state(state, event)
    group = ClassicGroup("g", GroupSettings())
    with pytest.raises(IllegalTransition):
        group.transition(Event.ASSIGNMENT_RECEIVED)
    assert group.state is State.EMPTY


def test_only_the_transition_method_sets_the_state():
    with pytest.raises(AttributeError):
        ClassicGroup("g", GroupSettings()).state = State.STABLE
    folder = Path(partition_svc.coordinator.__file__).parent / "classic"
    writers = [
        function.name
        for path in folder.glob("*.py")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and node.attr == "_state"
        and isinstance(node.ctx, ast.Store)
    ]
    assert sorted(writers) == ["__init__", "transition"]


def test_no_event_leads_out_of_dead():
    assert not [row for row in TRANSITIONS if row[0] is State.DEAD]
