import asyncio

import pytest

from common.client.append.append_call import AppendCall, QueuedAppend, with_placement
from common.ports.metadata import Placement
from common.ports.partitions import Append, AppendResult, LogId, Refusal
from common.ports.unavailable import BackendUnavailable

LOST = BackendUnavailable("gone")


def test_results_come_together_in_the_order_of_the_appends():
    async def story() -> None:
        submission = AppendCall(2)
        submission.complete(1, AppendResult(7))
        assert not submission.future.done()
        submission.complete(0, AppendResult(3))
        assert [one.base_offset for one in await submission.future] == [3, 7]

    asyncio.run(story())


def test_nothing_is_done_at_once():
    async def story() -> None:
        assert await AppendCall(0).future == []

    asyncio.run(story())


def test_an_answer_that_did_not_come_leaves_the_others_theirs():
    async def story() -> None:
        submission = AppendCall(2)
        submission.fail(0, LOST)
        submission.complete(1, AppendResult(7))
        lost, stored = await submission.future
        assert (lost.refusal, lost.message) == (Refusal.NO_RESPONSE, "gone")
        assert (stored.refusal, stored.base_offset) == (None, 7)

    asyncio.run(story())


def test_no_answer_at_all_is_an_error():
    async def story() -> None:
        submission = AppendCall(2)
        submission.fail(0, LOST)
        submission.fail(1, LOST)
        with pytest.raises(BackendUnavailable, match="gone"):
            await submission.future

    asyncio.run(story())


def test_a_caller_that_gave_up_is_not_told():
    async def story() -> None:
        for settle in (
            lambda one: one.complete(0, AppendResult(1)),
            lambda one: one.fail(0, LOST),
        ):
            submission = AppendCall(1)
            submission.future.cancel()
            settle(submission)
            assert submission.future.cancelled()

    asyncio.run(story())


def test_an_append_is_sent_under_the_epoch_of_its_placement():
    async def story() -> None:
        append = Append(LogId(b"t" * 16, 0), b"batch", 4)
        item = QueuedAppend(append, 1, AppendCall(1), 0, 0.0)
        sent = with_placement(Placement("p-1", 5), item)
        assert sent.append.leader_epoch == 5
        assert sent.since > item.since
        assert sent.size == 5

    asyncio.run(story())
