import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from gateway_svc.dispatch.reply import Deferred, Disconnect
from gateway_svc.net.pipeline import LARGE_BUDGET, SMALL_BUDGET, LoopBudget, Pipeline
from tests.unit.gateway_svc.net.pipeline_fixture import PipelineFixture, RandomPipeline, settle


def run(
    scenario: Callable[[PipelineFixture], Awaitable[None]], budget: LoopBudget = SMALL_BUDGET
) -> None:
    async def within_loop() -> None:
        await scenario(PipelineFixture(budget))

    asyncio.run(within_loop())


@pytest.mark.parametrize("budget", [SMALL_BUDGET, LARGE_BUDGET])
def test_many_requests_start_in_order_over_several_loop_iterations(budget):
    async def scenario(fixture: PipelineFixture) -> None:
        frames = [b"pending%d" % number for number in range(2 * budget.requests + 1)]
        fixture.pipeline.accept(frames)
        fixture.pipeline.start()
        assert fixture.started == frames[: budget.requests]
        # More may be received, and start called, before the rest has started.
        fixture.pipeline.accept([b"pending-last"])
        await settle()
        assert fixture.started == [*frames, b"pending-last"]

    run(scenario, budget)


@pytest.mark.parametrize("budget", [SMALL_BUDGET, LARGE_BUDGET])
def test_large_requests_start_fewer_at_a_time(budget):
    async def scenario(fixture: PipelineFixture) -> None:
        half = b"pending" + bytes(budget.request_bytes // 2)
        fixture.pipeline.accept([half] * 4)
        fixture.pipeline.start()
        assert len(fixture.started) == 2
        await settle()
        assert len(fixture.started) == 4

    run(scenario, budget)


def test_cancel_keeps_waiting_requests_from_starting():
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(b"pending0")
        fixture.pipeline.accept(b"ready%d" % number for number in range(SMALL_BUDGET.requests + 1))
        fixture.pipeline.start()
        fixture.pipeline.cancel()
        await settle()
        assert len(fixture.started) == 1 + SMALL_BUDGET.requests

    run(scenario)


def test_responses_of_a_shared_future_are_sent_together_and_in_order():
    async def scenario(fixture: PipelineFixture) -> None:
        frames = [b"shared1", b"shared2", b"pending1", b"shared3"]
        await fixture.receive(*frames)
        fixture.shared.set_result(None)
        await settle()
        assert fixture.writes == [[b"shared1", b"shared2"]]
        await fixture.finish(b"pending1")
        assert fixture.writes[1:] == [[b"pending1", b"shared3"]]
        # The future is done and its callback has run: these requests need another callback.
        await fixture.receive(b"shared4", b"shared5")
        assert fixture.writes[2:] == [[b"shared4", b"shared5"]]

    run(scenario)


def test_response_is_sent_if_the_request_starts_before_the_callback_of_its_done_future():
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(b"shared1")
        fixture.shared.set_result(None)
        await fixture.receive(b"shared2")
        assert fixture.sent == [b"shared1", b"shared2"]

    run(scenario)


def test_requests_that_share_a_future_have_their_own_timeouts():
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(b"shared1", b"shared2-patient")
        now = asyncio.get_running_loop().time()
        fixture.pipeline.expire(now)
        assert fixture.sent == []
        fixture.pipeline.expire(now + 2)
        assert fixture.sent == [b"late shared1"]
        fixture.shared.set_result(None)
        await settle()
        assert fixture.sent == [b"late shared1", b"shared2-patient"]

    run(scenario)


def test_closed_connection_gets_no_response_from_a_shared_future():
    async def scenario(fixture: PipelineFixture) -> None:
        other = PipelineFixture()
        other.shared = fixture.shared
        await fixture.receive(b"shared1")
        await other.receive(b"shared1", b"shared2")
        fixture.pipeline.cancel()
        fixture.shared.set_result(None)
        await settle()
        assert fixture.sent == []
        assert other.sent == [b"shared1", b"shared2"]

    run(scenario)


def test_pending_requests_start_together_and_respond_in_order():
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(b"pending1", b"pending2", b"pending3")
        assert fixture.started == [b"pending1", b"pending2", b"pending3"]
        await fixture.finish(b"pending3", b"pending2")
        assert fixture.sent == []
        await fixture.finish(b"pending1")
        assert fixture.writes == [[b"pending1", b"pending2", b"pending3"]]
        assert fixture.request_bytes == 24

    run(scenario)


def test_responses_that_are_ready_together_are_sent_in_one_write():
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(b"pending1", b"pending2")
        await fixture.finish(b"pending1", b"pending2")
        assert fixture.writes == [[b"pending1", b"pending2"]]

    run(scenario)


def test_exclusive_request_waits_for_earlier_ones_and_holds_back_later_ones():
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(b"pending1", b"exclusive2", b"pending3", b"exclusive4")
        assert fixture.started == [b"pending1", b"exclusive2"]
        await fixture.finish(b"exclusive2")
        assert fixture.sent == []  # it has not started
        await fixture.finish(b"pending1")
        assert fixture.sent == [b"pending1", b"exclusive2"]
        assert fixture.started == [b"pending1", b"exclusive2", b"pending3", b"exclusive4"]
        await fixture.finish(b"exclusive4")
        await fixture.finish(b"pending3")
        assert fixture.sent[2:] == [b"pending3", b"exclusive4"]

    run(scenario)


def test_ready_response_waits_for_earlier_ones():
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(b"pending1", b"ready2")
        assert fixture.sent == []
        await fixture.finish(b"pending1")
        assert fixture.sent == [b"pending1", b"ready2"]

    run(scenario)


def test_request_without_a_response_releases_its_bytes():
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(b"silent1", b"pending2")
        await fixture.finish(b"silent1", b"pending2")
        assert fixture.sent == [b"pending2"]
        assert fixture.request_bytes == len(b"silent1pending2")

    run(scenario)


def test_violation_closes_the_connection_and_starts_no_more_requests():
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(b"pending1", b"bad", b"pending3")
        assert [str(error) for error in fixture.errors] == ["not Kafka"]
        assert fixture.started == [b"pending1", b"bad"]
        await fixture.finish(b"pending1")
        assert fixture.sent == []

    run(scenario)


@pytest.mark.parametrize("frame", [b"pending1", b"exclusive1"])
def test_disconnect_closes_the_connection(frame):
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(frame)
        future = fixture.gates.get(frame) or fixture.pending[frame].future
        future.set_exception(Disconnect("refused without a response"))
        await settle()
        assert [str(error) for error in fixture.errors] == ["refused without a response"]

    run(scenario)


def test_deferred_request_that_disconnects_at_its_start_closes():
    def disconnect() -> None:
        raise Disconnect("refused without a response")

    async def scenario(fixture: PipelineFixture) -> None:
        fixture.pipeline = Pipeline(lambda frame: Deferred(disconnect), fixture, SMALL_BUDGET)
        await fixture.receive(b"deferred1", b"deferred2")
        assert [str(error) for error in fixture.errors] == ["refused without a response"]
        assert fixture.pipeline.in_flight == 0

    run(scenario)


def test_responses_before_a_disconnect_are_sent():
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(b"pending1", b"pending2", b"pending3")
        fixture.pending[b"pending2"].future.set_exception(Disconnect("no"))
        fixture.pending[b"pending3"].future.set_result(None)
        await settle()
        assert (fixture.sent, fixture.errors) == ([], [])
        await fixture.finish(b"pending1")
        assert fixture.sent == [b"pending1"]
        assert [str(error) for error in fixture.errors] == ["no"]

    run(scenario)


def test_responses_that_are_ready_out_of_order_are_not_sent():
    async def scenario(fixture: PipelineFixture) -> None:
        sends = []
        fixture.send = lambda parts, request_bytes: sends.append(request_bytes)
        await fixture.receive(b"pending1", b"pending2", b"pending3")
        await fixture.finish(b"pending3")
        await fixture.finish(b"pending2")
        assert sends == []
        await fixture.finish(b"pending1")
        assert sends == [24]

    run(scenario)


@pytest.mark.parametrize("frame", [b"exclusive2", b"deferred2"])
def test_resume_after_fail_starts_nothing(frame):
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(b"pending1", frame)
        fixture.pipeline.pause()
        fixture.pipeline.fail(Disconnect("enough"))
        fixture.pipeline.resume()
        await settle()
        assert fixture.sent == []
        assert list(fixture.pending) == [b"pending1"]

    run(scenario)


def test_no_request_starts_while_the_client_does_not_read():
    async def scenario(fixture: PipelineFixture) -> None:
        fixture.pipeline.pause()
        await fixture.receive(b"pending1", b"exclusive2")
        assert fixture.started == []
        fixture.pipeline.resume()
        await settle()
        assert fixture.started == [b"pending1", b"exclusive2"]
        fixture.pipeline.pause()
        await fixture.finish(b"pending1")
        await fixture.finish(b"exclusive2")
        assert fixture.sent == [b"pending1"]  # the exclusive one has not begun to run
        fixture.pipeline.resume()
        await settle()
        assert fixture.sent == [b"pending1", b"exclusive2"]

    run(scenario)


def test_pending_response_expires_when_earlier_ones_were_sent():
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(b"pending1", b"pending2")
        now = asyncio.get_running_loop().time()
        fixture.pipeline.expire(now + 0.5)
        assert fixture.sent == []
        fixture.pipeline.expire(now + 1.5)
        assert fixture.sent == [b"late pending1", b"late pending2"]
        await fixture.finish(b"pending1")
        fixture.pending[b"pending2"].future.set_exception(RuntimeError("too late to matter"))
        await settle()
        assert len(fixture.sent) == 2

    run(scenario)


def test_responses_that_are_ready_after_cancel_are_not_sent():
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(b"pending1", b"pending2", b"exclusive3")
        fixture.pipeline.cancel()
        await fixture.finish(b"pending1")
        fixture.pending[b"pending2"].future.set_exception(RuntimeError("too late"))
        await settle()
        assert fixture.sent == []
        assert fixture.pipeline.in_flight == 0

    run(scenario)


def test_cancel_abandons_pending_responses():
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(b"pending0", b"pending1", b"deferred2")
        await fixture.finish(b"pending0")
        await fixture.finish(b"pending1")
        await fixture.receive(b"pending3")
        fixture.pipeline.cancel()
        assert [name for name, reply in fixture.pending.items() if reply.is_abandoned] == [
            b"deferred2"
        ]

    run(scenario)


def test_cancel_cancels_the_task_of_an_exclusive_request():
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(b"exclusive1")
        fixture.pipeline.cancel()
        await settle()
        assert fixture.gates[b"exclusive1"].cancelled()
        assert fixture.errors == []

    run(scenario)


def test_in_flight_counts_requests_until_their_response_is_sent():
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(b"pending1", b"exclusive2", b"pending3")
        assert fixture.pipeline.in_flight == 3
        await fixture.finish(b"pending1")
        assert fixture.pipeline.in_flight == 2

    run(scenario)


def test_deferred_request_waits_for_earlier_ones_and_holds_back_later_ones():
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(b"pending-1", b"deferred-2", b"deferred-3", b"ready-4")
        assert b"deferred-2" not in fixture.pending
        await fixture.finish(b"pending-1")
        assert fixture.started == [b"pending-1", b"deferred-2"]
        await fixture.finish(b"deferred-2")
        assert fixture.started == [b"pending-1", b"deferred-2", b"deferred-3"]
        assert fixture.sent == [b"pending-1", b"deferred-2"]
        await fixture.finish(b"deferred-3")
        assert fixture.sent == [b"pending-1", b"deferred-2", b"deferred-3", b"ready-4"]

    run(scenario)


def test_cancel_ignores_the_result_of_a_deferred_request():
    async def scenario(fixture: PipelineFixture) -> None:
        await fixture.receive(b"deferred-1", b"deferred-2")
        fixture.pipeline.cancel()
        fixture.pending[b"deferred-1"].future.set_exception(RuntimeError("late"))
        await settle()
        assert fixture.sent == []
        assert list(fixture.pending) == [b"deferred-1"]

    run(scenario)


@pytest.mark.parametrize("seed", range(30))
def test_every_request_gets_its_response_in_order_under_random_events(seed):
    rng = random.Random(seed)
    kinds = (b"pending", b"exclusive", b"deferred", b"ready", b"silent", b"shared", b"later")
    frames = [b"%s-%d" % (rng.choice(kinds), number) for number in range(60)]

    async def scenario() -> None:
        fixture = RandomPipeline(rng, frames)
        await fixture.apply_events()
        await fixture.finish_all()
        assert fixture.started == frames
        assert fixture.sent == [frame for frame in frames if not frame.startswith(b"silent")]
        assert fixture.request_bytes == sum(map(len, frames))

    asyncio.run(scenario())
