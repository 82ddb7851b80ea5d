import asyncio

import pytest

from common.client.append.append_batch import Item, Submission
from common.client.append.pending_log import HeldLog, Probe
from common.ports.metadata import Placement
from common.ports.partitions import Append, AppendResult, LogId, Refusal
from common.ports.unavailable import BackendUnavailable
from tests.support.virtual_time import run_in_virtual_time

LOG = LogId(b"t" * 16, 0)
HERE, THERE = Placement("p-0", 4), Placement("p-1", 5)


def item(name: bytes) -> Item:
    return Item(Append(LOG, name), 1, Submission(1), 0, 0.0)


def test_what_came_back_goes_before_what_never_left_in_the_order_of_sending():
    async def story() -> None:
        held = HeldLog(LOG)
        held.waiting.extend([item(b"d"), item(b"e")])
        held.returned += [(12, item(b"c")), (3, item(b"a")), (7, item(b"b"))]
        assert [one.append.batch for one in held.take_all()] == [b"a", b"b", b"c", b"d", b"e"]
        assert held.take_all() == []

    run_in_virtual_time(story())


def test_some_appends_are_taken_out_and_the_others_keep_their_order():
    async def story() -> None:
        held = HeldLog(LOG)
        held.waiting.extend([item(b"c1"), item(b"d2"), item(b"e1")])
        held.returned += [(7, item(b"b2")), (3, item(b"a1"))]
        taken = held.take(lambda one: one.append.batch.endswith(b"1"))
        assert [one.append.batch for one in taken] == [b"a1", b"c1", b"e1"]
        assert [one.append.batch for one in held.take_all()] == [b"b2", b"d2"]

    run_in_virtual_time(story())


def test_who_refused_is_left_alone_for_a_while_longer_each_time():
    async def story() -> None:
        held = HeldLog(LOG)
        refusal = AppendResult(refusal=Refusal.MOVING, leader_epoch=4)
        pauses = []
        for _ in range(8):
            held.refused(refusal, HERE)
            pauses.append(held.pause_s(HERE))
        assert pauses == sorted(pauses)
        assert (pauses[0], pauses[-1]) == (0.02, 0.5)
        assert held.refusal is refusal
        # Somebody else may be asked at once, and the first after the pause.
        assert held.pause_s(THERE) == 0
        await asyncio.sleep(0.5)
        assert held.pause_s(HERE) == 0
        held.refused(refusal, THERE)
        assert held.pause_s(THERE) == pytest.approx(0.02)

    run_in_virtual_time(story())


def test_a_refusal_under_a_placement_that_is_past_says_nothing_of_the_present_one():
    async def story() -> None:
        held = HeldLog(LOG)
        held.refused(AppendResult(refusal=Refusal.NOT_OWNER), None)
        assert held.pause_s(HERE) == 0

    run_in_virtual_time(story())


def test_the_deadline_is_that_of_the_first_and_a_retry_that_of_the_last():
    async def story() -> None:
        held, called = HeldLog(LOG), []
        held.set_deadline(1, lambda: called.append("first"))
        held.set_deadline(2, lambda: called.append("second"))
        held.retry_in(3, lambda: called.append("early"))
        held.retry_in(4, lambda: called.append("late"))
        await asyncio.sleep(5)
        assert called == ["first", "late"]
        held.retry_in(1, lambda: called.append("cancelled"))
        held.cancel_timers()
        held.set_deadline(1, lambda: called.append("again"))
        await asyncio.sleep(5)
        assert called == ["first", "late", "again"]

    run_in_virtual_time(story())


def test_a_probe_tells_what_became_of_it():
    async def story() -> None:
        told = []
        held, first = HeldLog(LOG), item(b"a")
        settled = lambda *what: told.append(what)  # noqa: E731
        probe = Probe(held, first, HERE, settled, settled)
        result, error = AppendResult(3), BackendUnavailable("gone")
        probe.settle(0, result)
        probe.lose(0, error)
        assert told == [(probe, result), (probe, error)]
        assert (probe.held, probe.item, probe.placement) == (held, first, HERE)

    run_in_virtual_time(story())
