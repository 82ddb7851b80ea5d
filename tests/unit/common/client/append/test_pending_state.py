"""The table of permitted transitions, checked against what the code does in simulations."""

import asyncio

from common.client.append.pending_log import PendingLog
from common.client.append.pending_state import IN_FLIGHT, TRANSITIONS, PendingState
from tests.support.virtual_time import run_in_virtual_time
from tests.unit.common.client.model_owners import DELAY_S_MAX, NAMES, ModelCluster

PERMITTED = {(source, target) for source, targets in TRANSITIONS.items() for target in targets}


def test_every_state_has_a_row_and_every_one_but_the_first_is_entered():
    assert set(TRANSITIONS) == set(PendingState)
    entered = {target for _, target in PERMITTED}
    assert entered == set(PendingState) - {PendingState.DRAINING}


def test_only_closed_is_final():
    assert [state for state, targets in TRANSITIONS.items() if not targets] == [PendingState.CLOSED]
    assert PendingState.CLOSED not in IN_FLIGHT


def test_simulated_moves_and_restarts_use_exactly_the_permitted_transitions(monkeypatch):
    used: set[tuple[PendingState, PendingState]] = set()
    become = PendingLog.become

    def recording_become(pending: PendingLog, state: PendingState) -> None:
        used.add((pending.state, state))
        become(pending, state)

    monkeypatch.setattr(PendingLog, "become", recording_become)
    for seed in range(20):
        run_in_virtual_time(moves_and_restarts(seed))
    run_in_virtual_time(deadline_during_backoff())
    for close_when in ("backoff", "probing", "overdue", "draining", "fenced"):
        run_in_virtual_time(close_in(close_when))
    assert used == PERMITTED


async def moves_and_restarts(seed: int) -> None:
    cluster = ModelCluster(seed, hold_s=0.5, fence_s_max=1.0)
    appends = []
    for number in range(60):
        appends.append(cluster.append(b"%d" % number, number % 3))
        await cluster.delay()
        if number % 10 == 5:
            await cluster.move(number % 3)
        if number % 20 == 10:
            await cluster.restart(cluster.random.choice(NAMES))
    await asyncio.gather(*appends, return_exceptions=True)
    await cluster.close()


async def deadline_during_backoff() -> None:
    cluster = ModelCluster(1, hold_s=1.0)
    # The owner has lost the log, and the view does not change.
    cluster.owners[cluster.placements[0].owner].epochs.clear()
    (result,) = await cluster.append(b"a")
    assert result.refusal is not None
    await cluster.close()


async def close_in(state: str) -> None:
    cluster = ModelCluster(1, hold_s=1.0)
    owner = cluster.owners[cluster.placements[0].owner]
    if state == "backoff":
        owner.epochs.clear()
    elif state == "fenced":
        cluster.apply(moves=[cluster.fence(0)])
    elif state == "draining":
        await cluster.append(b"before the fence")
        owner.is_mute = True
        in_flight = cluster.append(b"a")
        await asyncio.sleep(4 * DELAY_S_MAX)
        cluster.apply(moves=[cluster.fence(0)])
    else:
        owner.is_mute = True
    pending = cluster.append(b"b")
    await asyncio.sleep(1.5 if state == "overdue" else 10 * DELAY_S_MAX)
    (log,) = cluster.gateway._pending._logs.values()
    assert log.state is PendingState[state.upper()]
    await cluster.close()
    outcomes = [pending, in_flight] if state == "draining" else [pending]
    await asyncio.gather(*outcomes, return_exceptions=True)
