"""The state machine of classic groups under random members, times and crashes.

A failing run is repeated with its seed: `SEED=17 make test TESTS=tests/simulation`.
"""

import os

import pytest

from tests.support.groups.simulated_members import SimulatedGroup

SEEDS = [int(os.environ["SEED"])] if "SEED" in os.environ else range(150)
STEPS = 1_500
MEMBER_REFUSALS = ("UNKNOWN_MEMBER_ID", "ILLEGAL_GENERATION", "FENCED_INSTANCE_ID")
JOIN_REFUSALS = (
    None,
    "FENCED_INSTANCE_ID",
    "GROUP_MAX_SIZE_REACHED",
    "INCONSISTENT_GROUP_PROTOCOL",
    "MEMBER_ID_REQUIRED",
    "REBALANCE_IN_PROGRESS",
    "UNKNOWN_MEMBER_ID",
)


@pytest.mark.parametrize("seed", SEEDS)
def test_invariants_of_groups_hold_under_random_failures(seed):
    simulated = SimulatedGroup(seed)
    try:
        for _ in range(STEPS):
            simulated.step()
        simulated.settle()
    except Exception as error:
        error.add_note(f"repeat with SEED={seed}")
        raise


def test_random_steps_reach_every_kind_of_response():
    seen = set()
    for seed in range(40):
        simulated = SimulatedGroup(seed)
        for _ in range(STEPS):
            simulated.step()
        seen |= simulated.seen
    expected = {"crash", "interruption"} | {("JoinReply", refusal) for refusal in JOIN_REFUSALS}
    for kind in ("SyncReply", "HeartbeatReply", "CommitResult"):
        expected |= {(kind, refusal) for refusal in (None, *MEMBER_REFUSALS)}
    assert expected <= seen
