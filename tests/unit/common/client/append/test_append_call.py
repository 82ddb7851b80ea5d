import asyncio

import pytest

from common.client.append.append_call import AppendCall, QueuedAppend, with_placement
from common.ports.metadata import Placement
from common.ports.partitions import Append, AppendResult, LogId, Refusal
from common.ports.unavailable import BackendUnavailable

LOST = BackendUnavailable("unreachable")


def test_results_come_together_in_the_order_of_the_appends():
    async def scenario() -> None:
        call = AppendCall(2)
        call.complete(1, AppendResult(7))
        assert not call.future.done()
        call.complete(0, AppendResult(3))
        assert [result.base_offset for result in await call.future] == [3, 7]

    asyncio.run(scenario())


def test_call_without_appends_is_done_at_once():
    async def scenario() -> None:
        assert await AppendCall(0).future == []

    asyncio.run(scenario())


def test_missing_response_does_not_affect_the_other_results():
    async def scenario() -> None:
        call = AppendCall(2)
        call.fail(0, LOST)
        call.complete(1, AppendResult(7))
        lost, stored = await call.future
        assert (lost.refusal, lost.message) == (Refusal.NO_RESPONSE, "unreachable")
        assert (stored.refusal, stored.base_offset) == (None, 7)

    asyncio.run(scenario())


def test_call_without_any_response_raises():
    async def scenario() -> None:
        call = AppendCall(2)
        call.fail(0, LOST)
        call.fail(1, LOST)
        with pytest.raises(BackendUnavailable, match="unreachable"):
            await call.future

    asyncio.run(scenario())


def test_cancelled_call_ignores_its_outcome():
    async def scenario() -> None:
        for settle in (
            lambda call: call.complete(0, AppendResult(1)),
            lambda call: call.fail(0, LOST),
        ):
            call = AppendCall(1)
            call.future.cancel()
            settle(call)
            assert call.future.cancelled()

    asyncio.run(scenario())


def test_append_is_sent_with_the_epoch_of_its_placement():
    async def scenario() -> None:
        append = Append(LogId(b"t" * 16, 0), b"batch", 4)
        item = QueuedAppend(append, 1, AppendCall(1), 0, 0.0)
        sent = with_placement(Placement("p-1", 5), item)
        assert sent.append.leader_epoch == 5
        assert sent.since > item.since
        assert sent.size == 5

    asyncio.run(scenario())
