import asyncio

import pytest

from common.ports.moves import LogLoad, MemberReport, MovePhase, RingState
from metadata_svc.moves import phases, scheduler
from tests.support.moves.simulated_cluster import FENCE_TIMEOUT_S, SimulatedCluster

NAMES = ("p-0", "p-1", "p-2", "p-3")

#: What happens next, and how likely.
LIKELIHOODS = {
    "member": 300,
    "time": 20,
    "up": 12,
    "down": 1,
    "topic": 1,
    "delete": 0.3,
    "add": 2,
    "drain": 1.5,
    "remove": 0.5,
    "cancel": 1,
    "crash": 0.6,
    "lose": 0.5,
}


def run(body, seed=0, **limits):
    async def bounded():
        async with asyncio.timeout(120):
            world = SimulatedCluster(seed, **limits)
            await world.open()
            try:
                await body(world)
            finally:
                await world.service.change_log.close()

    asyncio.run(bounded())


async def anything(world):
    """One thing that may happen at any moment."""
    rng, ring = world.rng, world.service.ring
    name = rng.choice(NAMES)
    node = world.nodes.get(name)
    what = rng.choices(list(LIKELIHOODS), LIKELIHOODS.values())[0]
    if what == "time":
        await world.pass_time()
    elif what == "up" and (node is None or not node.is_up):
        await world.start(name)
    elif what == "down" and node is not None and node.is_up:
        await world.kill(name)
    elif what == "topic" and len(world.acknowledged) < 40:
        await world.make_topic(rng.randint(1, 8))
    elif what in ("delete", "crash"):
        await (world.delete_topic() if what == "delete" else world.crash_service())
    elif what in ("add", "drain", "remove"):
        await getattr(ring, f"{what}_member")(name)
    elif what == "cancel" and world.service.view.moves:
        await ring.cancel_move(rng.choice(world.service.view.moves).move_id)
    elif what == "lose" and node is not None:
        await world.lose(name)
    elif what == "member" and node is not None and node.is_up:
        await a_step(world, node)
    world.check()


async def a_step(world, node):
    rng = world.rng
    step = rng.choice([world.copy, world.commit, world.clean, world.append, world.fence, None])
    if step in (world.append, world.fence):
        step(node)
    elif step is not None:
        await step(node)
    else:
        for _ in range(rng.randint(1, 10)):
            await world.learn(node)


async def everything_works(world):
    """From now on everybody is there and does what is asked for."""
    for name in NAMES:
        if name not in world.nodes or not world.nodes[name].is_up:
            await world.start(name)
    await world.service.ring.add_member("p-0")
    for name in sorted(world.service.member_table.in_state(RingState.DRAINING)):
        await world.service.ring.drain_member(name)
    for _ in range(3_000):
        await world.pass_time(1.0)
        if not world.service.member_table.is_rebalancing and not world.service.view.moves:
            break
        for node in world.nodes.values():
            while node.view.revision < world.service.view.revision:
                await world.learn(node)
            await world.clean(node)
            await world.copy(node)
            world.fence(node)
            await world.commit(node)
            world.append(node)
    for node in world.nodes.values():
        while node.view.revision < world.service.view.revision:
            await world.learn(node)
        await world.clean(node)
    await world.settle()


@pytest.mark.parametrize("seed", range(40))
def test_random_crashes_lose_no_record_and_give_no_partition_two_owners(seed):
    async def body(world):
        for name in NAMES[:2]:
            await world.start(name)
        await world.make_topic(8)
        for _ in range(1_500):
            await anything(world)
        await everything_works(world)
        world.check_end()

    run(body, seed)


async def two_members_and_a_move(world, phase=MovePhase.PREPARE):
    await world.start("p-0")
    await world.make_topic(2)
    await world.start("p-1")
    await world.settle()
    [move] = world.service.view.moves
    return await world.service.ring.advance_move(move.move_id, phase)


def test_a_fence_is_given_up_when_its_time_is_over_and_the_move_tried_again_later():
    async def body(world):
        move = await two_members_and_a_move(world, MovePhase.FENCE)
        assert await world.service.settle(world.now) == world.now + FENCE_TIMEOUT_S
        await world.pass_time(FENCE_TIMEOUT_S - 0.1)
        assert world.service.view.move(move.move_id) == move
        await world.pass_time(0.1)
        assert world.service.view.moves == ()
        placement = world.service.view.placement(move.topic_id, move.partition)
        assert placement == ("p-0", 1)
        for times, leader_epoch in ((1, 1), (2, 2), (4, 3)):
            again_at = await world.service.settle(world.now)
            assert again_at == world.now + times * FENCE_TIMEOUT_S
            await world.pass_time(again_at - world.now)
            [again] = world.service.view.moves
            assert (again.target, again.leader_epoch) == ("p-1", leader_epoch)
            assert again.move_id > move.move_id
            await world.service.ring.advance_move(again.move_id, MovePhase.FENCE)
            await world.settle()
            await world.pass_time(FENCE_TIMEOUT_S)

    run(body)


def test_a_move_whose_target_died_behind_its_fence_begins_again_when_it_is_back():
    async def body(world):
        move = await two_members_and_a_move(world, MovePhase.FENCE)
        await world.kill("p-1")
        await world.settle()
        assert world.service.view.moves == ()
        await world.start("p-1")
        await world.settle()
        [again] = world.service.view.moves
        assert (again.partition, again.target) == (move.partition, "p-1")

    run(body)


def test_after_a_crash_a_fence_has_its_whole_time_once_more_and_moves_go_on():
    async def body(world):
        move = await two_members_and_a_move(world, MovePhase.FENCE)
        await world.pass_time(FENCE_TIMEOUT_S - 0.1)
        await world.crash_service()
        await world.start("p-1")
        await world.pass_time(0.1)
        assert world.service.view.move(move.move_id) == move
        committed = await world.service.ring.advance_move(move.move_id, MovePhase.COMMIT)
        assert committed.phase is MovePhase.COMMIT

    run(body)


def test_after_a_crash_what_was_planned_is_planned_again_and_finished_work_is_not():
    async def body(world):
        await world.start("p-0")
        await world.make_topic(20)
        await world.start("p-1")
        await world.settle()
        await world.crash_service()
        await world.start("p-0")
        await world.start("p-1")
        await world.settle()
        assert len(world.service.scheduler.plan) + len(world.service.view.moves) == 10
        await everything_works(world)
        # Uneven by deletions only, which are no reason to move anything.
        for _ in range(3):
            await world.make_topic(1)
        await world.crash_service()
        for name in NAMES:
            await world.start(name)
        await world.settle()
        assert world.service.view.moves == ()
        assert len(world.service.scheduler.plan) == 0

    run(body)


def test_the_busiest_partition_moves_first():
    async def body(world):
        await world.start("p-0")
        await world.make_topic(8)
        [topic] = world.service.view.topics
        loads = [LogLoad(topic.topic_id, number, 10, number % 5) for number in range(8)]
        world.service.members.take_report("p-0", MemberReport(loads))
        await world.start("p-1")
        await world.settle()
        first = [one.partition for one in world.service.view.moves]
        waiting = [one.partition for one in world.service.scheduler.plan]
        rate = {number: number % 5 for number in range(8)}
        assert min(rate[one] for one in first) >= max(rate[one] for one in waiting)

    run(body, moves_max=2)


def test_nothing_begins_between_members_of_which_one_is_down():
    async def body(world):
        await world.start("p-0")
        await world.make_topic(4)
        await world.start("p-1")
        await world.kill("p-1")
        await world.settle()
        assert world.service.view.moves == ()
        assert len(world.service.scheduler.plan) == 2
        await world.start("p-1")
        await world.settle()
        assert len(world.service.view.moves) == 2

    run(body)


def test_a_move_of_a_dead_member_does_not_count_against_the_limits():
    async def body(world):
        await world.start("p-0")
        await world.make_topic(12)
        await world.start("p-1")
        await world.settle()
        assert [one.target for one in world.service.view.moves] == ["p-1", "p-1"]
        await world.kill("p-1")
        await world.start("p-2")
        await world.settle()
        targets = [one.target for one in world.service.view.moves]
        assert targets == ["p-1", "p-1", "p-2", "p-2"]

    run(body, moves_max=2)


def test_behind_its_fence_a_move_waits_for_a_source_that_is_down():
    """Its target may have every record; nobody could append at the source."""

    async def body(world):
        move = await two_members_and_a_move(world, MovePhase.FENCE)
        await world.kill("p-0")
        await world.kill("p-1")
        await world.pass_time(10 * FENCE_TIMEOUT_S)
        assert world.service.view.moves == (move,)
        await world.start("p-0")
        await world.settle()
        assert world.service.view.moves == ()

    run(body)


def test_a_source_that_comes_back_has_the_whole_time_of_a_fence():
    async def body(world):
        move = await two_members_and_a_move(world, MovePhase.FENCE)
        await world.kill("p-0")
        await world.pass_time(10 * FENCE_TIMEOUT_S)
        await world.start("p-0")
        await world.pass_time(FENCE_TIMEOUT_S - 0.1)
        assert world.service.view.moves == (move,)
        committed = await world.service.ring.advance_move(move.move_id, MovePhase.COMMIT)
        assert committed.phase is MovePhase.COMMIT

    run(body)


def test_a_member_is_drained_when_it_has_deleted_what_it_handed_over():
    async def body(world):
        await world.start("p-0")
        await world.make_topic(1)
        await world.start("p-1")
        await world.settle()
        ring, member_table = world.service.ring, world.service.member_table
        [owner] = [name for name in ("p-0", "p-1") if member_table.owned(name)]
        await ring.drain_member(owner)
        await world.settle()
        [move] = world.service.view.moves
        for phase in (MovePhase.FENCE, MovePhase.COMMIT):
            await ring.advance_move(move.move_id, phase)
        await world.settle()
        assert (member_table.owned(owner), member_table.state(owner)) == (0, RingState.DRAINING)
        await ring.end_move(move.move_id)
        await world.settle()
        assert member_table.state(owner) is RingState.DRAINED

    run(body)


def test_a_cancelled_move_does_not_come_back_by_itself():
    async def body(world):
        move = await two_members_and_a_move(world)
        await world.service.ring.cancel_move(move.move_id)
        for _ in range(5):
            await world.pass_time(100.0)
        assert world.service.view.moves == ()
        assert not world.service.member_table.is_rebalancing

    run(body)


def test_the_scheduler_retries_after_a_bug(monkeypatch, caplog):
    async def body(world):
        monkeypatch.setattr(scheduler, "_BUG_RETRY_S_FIRST", 0.001)
        await world.start("p-0")
        await world.make_topic(8)
        cancelled = await two_moves_of_which_one_is_cancelled(world)
        service, begin, states = world.service, phases.begin, []

        def fail(*_, **__):
            monkeypatch.setattr(phases, "begin", begin)
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr(phases, "begin", fail)
        service.scheduler.notify_working(states.append)
        for move in service.view.moves:
            await service.commit(phases.roll_back(service.view, [move]))
        running = asyncio.create_task(service.scheduler.run())
        while len(states) < 3 or not service.view.moves:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        assert states == [True, False, True]
        # Nothing of the plan is lost with the attempt, and what an operator cancelled stays.
        wanted = {(one.topic_id, one.partition) for one in service.view.moves}
        wanted |= {one.key for one in service.scheduler.plan}
        assert len(wanted) == 3
        assert (cancelled.topic_id, cancelled.partition) not in wanted
        running.cancel()
        await asyncio.wait([running])

    run(body)
    (line,) = [one for one in caplog.records if one.exc_info]
    assert line.exc_info[0] is ZeroDivisionError


async def two_moves_of_which_one_is_cancelled(world):
    await world.start("p-1")
    await world.settle()
    cancelled, _ = world.service.view.moves
    await world.service.ring.cancel_move(cancelled.move_id)
    return cancelled
