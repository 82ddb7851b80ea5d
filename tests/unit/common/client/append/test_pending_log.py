import asyncio

import pytest

from common.client.append.append_call import AppendCall, QueuedAppend
from common.client.append.pending_log import PendingLog, Probe
from common.client.append.pending_state import TRANSITIONS, PendingState
from common.ports.metadata import Placement
from common.ports.partitions import Append, AppendResult, LogId, Refusal
from common.ports.unavailable import BackendUnavailable
from tests.support.virtual_time import run_in_virtual_time

LOG = LogId(b"t" * 16, 0)
FIRST, SECOND = Placement("p-0", 4), Placement("p-1", 5)


def item(name: bytes) -> QueuedAppend:
    return QueuedAppend(Append(LOG, name), 1, AppendCall(1), 0, 0.0)


def batches(items: list[QueuedAppend]) -> list[bytes]:
    return [item.append.batch for item in items]


@pytest.mark.parametrize("target", PendingState)
@pytest.mark.parametrize("source", PendingState)
def test_state_changes_only_as_the_table_permits(source, target):
    pending = PendingLog(LOG)
    pending.state = source
    if target in TRANSITIONS[source]:
        pending.become(target)
        assert pending.state is target
    else:
        with pytest.raises(RuntimeError, match=f"from {source.name} to {target.name}"):
            pending.become(target)
        assert pending.state is source


def test_requeued_appends_precede_waiting_ones_in_the_order_of_sending():
    async def scenario() -> None:
        pending = PendingLog(LOG)
        pending.waiting.extend([item(b"d"), item(b"e")])
        pending.requeued += [(12, item(b"c")), (3, item(b"a")), (7, item(b"b"))]
        assert batches(pending.pop_all()) == [b"a", b"b", b"c", b"d", b"e"]
        assert pending.pop_all() == []

    run_in_virtual_time(scenario())


def test_pop_matching_keeps_the_order_of_the_others():
    async def scenario() -> None:
        pending = PendingLog(LOG)
        pending.waiting.extend([item(b"c1"), item(b"d2"), item(b"e1")])
        pending.requeued += [(7, item(b"b2")), (3, item(b"a1"))]
        popped = pending.pop_matching(lambda item: item.append.batch.endswith(b"1"))
        assert batches(popped) == [b"a1", b"c1", b"e1"]
        assert batches(pending.pop_all()) == [b"b2", b"d2"]

    run_in_virtual_time(scenario())


def test_backoff_grows_with_each_rejection_under_one_placement():
    async def scenario() -> None:
        pending = PendingLog(LOG)
        refusal = AppendResult(refusal=Refusal.MOVING, leader_epoch=4)
        delays = []
        for _ in range(8):
            pending.on_rejected(refusal, FIRST)
            delays.append(pending.backoff_s(FIRST))
        assert delays == sorted(delays)
        assert (delays[0], delays[-1]) == (0.02, 0.5)
        assert pending.refusal is refusal
        # Another owner gets a probe at once, the first one after the delay.
        assert pending.backoff_s(SECOND) == 0
        await asyncio.sleep(0.5)
        assert pending.backoff_s(FIRST) == 0
        pending.on_rejected(refusal, SECOND)
        assert pending.backoff_s(SECOND) == pytest.approx(0.02)

    run_in_virtual_time(scenario())


def test_rejection_under_a_past_placement_does_not_delay_the_current_one():
    async def scenario() -> None:
        pending = PendingLog(LOG)
        pending.on_rejected(AppendResult(refusal=Refusal.NOT_OWNER), None)
        assert pending.backoff_s(FIRST) == 0

    run_in_virtual_time(scenario())


def test_first_deadline_and_last_retry_take_effect():
    async def scenario() -> None:
        pending, called = PendingLog(LOG), []
        pending.set_deadline(1, lambda: called.append("first"))
        pending.set_deadline(2, lambda: called.append("second"))
        pending.retry_in(3, lambda: called.append("early"))
        pending.retry_in(4, lambda: called.append("late"))
        await asyncio.sleep(5)
        assert called == ["first", "late"]
        pending.retry_in(1, lambda: called.append("cancelled"))
        pending.cancel_timers()
        pending.set_deadline(1, lambda: called.append("again"))
        await asyncio.sleep(5)
        assert called == ["first", "late", "again"]

    run_in_virtual_time(scenario())


def test_probe_reports_its_outcome():
    async def scenario() -> None:
        outcomes = []
        pending, first = PendingLog(LOG), item(b"a")
        record = lambda *outcome: outcomes.append(outcome)  # noqa: E731
        probe = Probe(pending, first, FIRST, record, record)
        result, error = AppendResult(3), BackendUnavailable("unreachable")
        probe.complete(0, result)
        probe.fail(0, error)
        assert outcomes == [(probe, result), (probe, error)]
        assert (probe.pending, probe.item, probe.placement) == (pending, first, FIRST)

    run_in_virtual_time(scenario())
