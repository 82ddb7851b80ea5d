import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from gateway_svc.dispatch.reply import Deferred, Disconnect
from gateway_svc.net.pipeline import LARGE_BUDGET, SMALL_BUDGET, LoopBudget, Pipeline
from tests.unit.gateway_svc.net.pipeline_world import ChanceWorld, World, settle


def in_world(story: Callable[[World], Awaitable[None]], turn: LoopBudget = SMALL_BUDGET) -> None:
    async def tell() -> None:
        await story(World(turn))

    asyncio.run(tell())


@pytest.mark.parametrize("turn", [SMALL_BUDGET, LARGE_BUDGET])
def test_many_requests_start_in_order_over_several_turns_of_the_loop(turn):
    async def story(world: World) -> None:
        frames = [b"pending%d" % number for number in range(2 * turn.requests + 1)]
        world.pipeline.accept(frames)
        world.pipeline.start()
        assert world.started == frames[: turn.requests]
        # More may come in, and start again, before the rest has had its turn.
        world.pipeline.accept([b"pending-last"])
        await settle()
        assert world.started == [*frames, b"pending-last"]

    in_world(story, turn)


@pytest.mark.parametrize("turn", [SMALL_BUDGET, LARGE_BUDGET])
def test_large_requests_start_fewer_at_a_time(turn):
    async def story(world: World) -> None:
        half = b"pending" + bytes(turn.request_bytes // 2)
        world.pipeline.accept([half] * 4)
        world.pipeline.start()
        assert len(world.started) == 2
        await settle()
        assert len(world.started) == 4

    in_world(story, turn)


def test_what_has_not_started_when_the_client_leaves_never_does():
    async def story(world: World) -> None:
        await world.ask(b"pending0")
        world.pipeline.accept(b"now%d" % number for number in range(SMALL_BUDGET.requests + 1))
        world.pipeline.start()
        world.pipeline.cancel()
        await settle()
        assert len(world.started) == 1 + SMALL_BUDGET.requests

    in_world(story)


def test_requests_that_wait_for_the_same_are_answered_together_and_in_order():
    async def story(world: World) -> None:
        frames = [b"shared1", b"shared2", b"pending1", b"shared3"]
        await world.ask(*frames)
        world.shared.set_result(None)
        await settle()
        assert world.writes == [[b"shared1", b"shared2"]]
        await world.finish(b"pending1")
        assert world.writes[1:] == [[b"pending1", b"shared3"]]
        # It is done and told already: nobody may be added to those.
        await world.ask(b"shared4", b"shared5")
        assert world.writes[2:] == [[b"shared4", b"shared5"]]

    in_world(story)


def test_a_request_that_comes_when_what_it_waits_for_is_done_but_not_told_is_answered():
    async def story(world: World) -> None:
        await world.ask(b"shared1")
        world.shared.set_result(None)
        await world.ask(b"shared2")
        assert world.sent == [b"shared1", b"shared2"]

    in_world(story)


def test_of_requests_that_wait_for_the_same_each_has_its_own_deadline():
    async def story(world: World) -> None:
        await world.ask(b"shared1", b"shared2-patient")
        now = asyncio.get_running_loop().time()
        world.pipeline.expire(now)
        assert world.sent == []
        world.pipeline.expire(now + 2)
        assert world.sent == [b"late shared1"]
        world.shared.set_result(None)
        await settle()
        assert world.sent == [b"late shared1", b"shared2-patient"]

    in_world(story)


def test_who_left_is_not_answered_though_others_wait_for_the_same():
    async def story(world: World) -> None:
        other = World()
        other.shared = world.shared
        await world.ask(b"shared1")
        await other.ask(b"shared1", b"shared2")
        world.pipeline.cancel()
        world.shared.set_result(None)
        await settle()
        assert world.sent == []
        assert other.sent == [b"shared1", b"shared2"]

    in_world(story)


def test_pending_requests_start_together_and_are_answered_in_order():
    async def story(world: World) -> None:
        await world.ask(b"pending1", b"pending2", b"pending3")
        assert world.started == [b"pending1", b"pending2", b"pending3"]
        await world.finish(b"pending3", b"pending2")
        assert world.sent == []
        await world.finish(b"pending1")
        assert world.writes == [[b"pending1", b"pending2", b"pending3"]]
        assert world.answered_bytes == 24

    in_world(story)


def test_answers_that_are_ready_together_leave_in_one_write():
    async def story(world: World) -> None:
        await world.ask(b"pending1", b"pending2")
        await world.finish(b"pending1", b"pending2")
        assert world.writes == [[b"pending1", b"pending2"]]

    in_world(story)


def test_an_exclusive_request_waits_for_earlier_ones_and_holds_back_later_ones():
    async def story(world: World) -> None:
        await world.ask(b"pending1", b"alone2", b"pending3", b"alone4")
        assert world.started == [b"pending1", b"alone2"]
        await world.finish(b"alone2")
        assert world.sent == []  # its turn has not come, however ready its data
        await world.finish(b"pending1")
        assert world.sent == [b"pending1", b"alone2"]
        assert world.started == [b"pending1", b"alone2", b"pending3", b"alone4"]
        await world.finish(b"alone4")
        await world.finish(b"pending3")
        assert world.sent[2:] == [b"pending3", b"alone4"]

    in_world(story)


def test_an_answer_at_once_still_waits_for_its_turn():
    async def story(world: World) -> None:
        await world.ask(b"pending1", b"now2")
        assert world.sent == []
        await world.finish(b"pending1")
        assert world.sent == [b"pending1", b"now2"]

    in_world(story)


def test_a_silent_request_has_no_answer_and_gives_its_bytes_back():
    async def story(world: World) -> None:
        await world.ask(b"silent1", b"pending2")
        await world.finish(b"silent1", b"pending2")
        assert world.sent == [b"pending2"]
        assert world.answered_bytes == len(b"silent1pending2")

    in_world(story)


def test_a_violation_ends_everything_and_starts_nothing_more():
    async def story(world: World) -> None:
        await world.ask(b"pending1", b"bad", b"pending3")
        assert [str(error) for error in world.errors] == ["not Kafka"]
        assert world.started == [b"pending1", b"bad"]
        await world.finish(b"pending1")
        assert world.sent == []

    in_world(story)


@pytest.mark.parametrize("frame", [b"pending1", b"alone1"])
def test_a_request_that_can_only_be_answered_by_closing_closes(frame):
    async def story(world: World) -> None:
        await world.ask(frame)
        future = world.gates.get(frame) or world.pending[frame].future
        future.set_exception(Disconnect("refused without an answer"))
        await settle()
        assert [str(error) for error in world.errors] == ["refused without an answer"]

    in_world(story)


def test_a_deferred_request_that_disconnects_at_its_start_closes():
    def disconnect() -> None:
        raise Disconnect("refused without an answer")

    async def story(world: World) -> None:
        world.pipeline = Pipeline(lambda frame: Deferred(disconnect), world, SMALL_BUDGET)
        await world.ask(b"turn1", b"turn2")
        assert [str(error) for error in world.errors] == ["refused without an answer"]
        assert world.pipeline.unanswered == 0

    in_world(story)


def test_answers_before_one_that_closes_the_connection_still_leave():
    async def story(world: World) -> None:
        await world.ask(b"pending1", b"pending2", b"pending3")
        world.pending[b"pending2"].future.set_exception(Disconnect("no"))
        world.pending[b"pending3"].future.set_result(None)
        await settle()
        assert (world.sent, world.errors) == ([], [])
        await world.finish(b"pending1")
        assert world.sent == [b"pending1"]
        assert [str(error) for error in world.errors] == ["no"]

    in_world(story)


def test_what_is_ready_out_of_turn_is_no_reason_to_send():
    async def story(world: World) -> None:
        sends = []
        world.send = lambda parts, answered_bytes: sends.append(answered_bytes)
        await world.ask(b"pending1", b"pending2", b"pending3")
        await world.finish(b"pending3")
        await world.finish(b"pending2")
        assert sends == []
        await world.finish(b"pending1")
        assert sends == [24]

    in_world(story)


@pytest.mark.parametrize("frame", [b"alone2", b"turn2"])
def test_a_peer_that_reads_again_when_all_is_over_starts_nothing(frame):
    async def story(world: World) -> None:
        await world.ask(b"pending1", frame)
        world.pipeline.pause()
        world.pipeline.fail(Disconnect("enough"))
        world.pipeline.resume()
        await settle()
        assert world.sent == []
        assert list(world.pending) == [b"pending1"]

    in_world(story)


def test_nothing_starts_while_the_peer_does_not_read():
    async def story(world: World) -> None:
        world.pipeline.pause()
        await world.ask(b"pending1", b"alone2")
        assert world.started == []
        world.pipeline.resume()
        await settle()
        assert world.started == [b"pending1", b"alone2"]
        world.pipeline.pause()
        await world.finish(b"pending1")
        await world.finish(b"alone2")
        assert world.sent == [b"pending1"]  # the exclusive one has not begun to run
        world.pipeline.resume()
        await settle()
        assert world.sent == [b"pending1", b"alone2"]

    in_world(story)


def test_a_pending_answer_expires_when_it_is_next_in_turn():
    async def story(world: World) -> None:
        await world.ask(b"pending1", b"pending2")
        now = asyncio.get_running_loop().time()
        world.pipeline.expire(now + 0.5)
        assert world.sent == []
        world.pipeline.expire(now + 1.5)
        assert world.sent == [b"late pending1", b"late pending2"]
        await world.finish(b"pending1")
        world.pending[b"pending2"].future.set_exception(RuntimeError("too late to matter"))
        await settle()
        assert len(world.sent) == 2

    in_world(story)


def test_what_comes_after_a_client_left_goes_nowhere():
    async def story(world: World) -> None:
        await world.ask(b"pending1", b"pending2", b"alone3")
        world.pipeline.cancel()
        await world.finish(b"pending1")
        world.pending[b"pending2"].future.set_exception(RuntimeError("nobody is there"))
        await settle()
        assert world.sent == []
        assert world.pipeline.unanswered == 0

    in_world(story)


def test_what_is_under_way_learns_that_its_client_left():
    async def story(world: World) -> None:
        await world.ask(b"pending0", b"pending1", b"turn2")
        await world.finish(b"pending0")
        await world.finish(b"pending1")
        await world.ask(b"pending3")
        world.pipeline.cancel()
        assert [name for name, one in world.pending.items() if one.is_abandoned] == [b"turn2"]

    in_world(story)


def test_a_running_request_is_cancelled_when_its_client_leaves():
    async def story(world: World) -> None:
        await world.ask(b"alone1")
        world.pipeline.cancel()
        await settle()
        assert world.gates[b"alone1"].cancelled()
        assert world.errors == []

    in_world(story)


def test_unanswered_counts_requests_until_their_answer_has_left():
    async def story(world: World) -> None:
        await world.ask(b"pending1", b"alone2", b"pending3")
        assert world.pipeline.unanswered == 3
        await world.finish(b"pending1")
        assert world.pipeline.unanswered == 2

    in_world(story)


def test_a_request_in_turn_waits_for_those_before_it_and_holds_back_those_after_it():
    async def story(world: World) -> None:
        await world.ask(b"pending-1", b"turn-2", b"turn-3", b"now-4")
        assert b"turn-2" not in world.pending
        await world.finish(b"pending-1")
        assert world.started == [b"pending-1", b"turn-2"]
        await world.finish(b"turn-2")
        assert world.started == [b"pending-1", b"turn-2", b"turn-3"]
        assert world.sent == [b"pending-1", b"turn-2"]
        await world.finish(b"turn-3")
        assert world.sent == [b"pending-1", b"turn-2", b"turn-3", b"now-4"]

    in_world(story)


def test_what_comes_of_a_request_in_turn_is_nobodys_when_its_client_is_gone():
    async def story(world: World) -> None:
        await world.ask(b"turn-1", b"turn-2")
        world.pipeline.cancel()
        world.pending[b"turn-1"].future.set_exception(RuntimeError("late"))
        await settle()
        assert world.sent == []
        assert list(world.pending) == [b"turn-1"]

    in_world(story)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_in_whatever_order_every_request_is_answered_in_its_turn(seed):
    chance = random.Random(seed)
    kinds = (b"pending", b"alone", b"turn", b"now", b"silent", b"shared", b"later")
    frames = [b"%s-%d" % (chance.choice(kinds), number) for number in range(60)]

    async def tell() -> None:
        world = ChanceWorld(chance, frames)
        await world.happen()
        await world.end()
        assert world.started == frames
        assert world.sent == [one for one in frames if not one.startswith(b"silent")]
        assert world.answered_bytes == sum(map(len, frames))

    asyncio.run(tell())
