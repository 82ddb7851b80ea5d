import asyncio

import pytest

from common.ports.moves import LogLoad, MemberReport, MovePhase, RingState
from metadata_svc.moves import phases, scheduler
from tests.support.moves.simulated_cluster import FENCE_TIMEOUT_S, SimulatedCluster

NAMES = ("p-0", "p-1", "p-2", "p-3")

#: Weights of the random events.
EVENT_WEIGHTS = {
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
            cluster = SimulatedCluster(seed, **limits)
            await cluster.open()
            try:
                await body(cluster)
            finally:
                await cluster.service.change_log.close()

    asyncio.run(bounded())


async def random_event(cluster):
    """Makes one random event happen."""
    rng, ring = cluster.rng, cluster.service.ring
    name = rng.choice(NAMES)
    node = cluster.nodes.get(name)
    event = rng.choices(list(EVENT_WEIGHTS), EVENT_WEIGHTS.values())[0]
    if event == "time":
        await cluster.pass_time()
    elif event == "up" and (node is None or not node.is_up):
        await cluster.start(name)
    elif event == "down" and node is not None and node.is_up:
        await cluster.kill(name)
    elif event == "topic" and len(cluster.acknowledged) < 40:
        await cluster.make_topic(rng.randint(1, 8))
    elif event in ("delete", "crash"):
        await (cluster.delete_topic() if event == "delete" else cluster.crash_service())
    elif event in ("add", "drain", "remove"):
        await getattr(ring, f"{event}_member")(name)
    elif event == "cancel" and cluster.service.view.moves:
        await ring.cancel_move(rng.choice(cluster.service.view.moves).move_id)
    elif event == "lose" and node is not None:
        await cluster.lose(name)
    elif event == "member" and node is not None and node.is_up:
        await random_step(cluster, node)
    cluster.check()


async def random_step(cluster, node):
    rng = cluster.rng
    step = rng.choice(
        [cluster.copy, cluster.commit, cluster.clean, cluster.append, cluster.fence, None]
    )
    if step in (cluster.append, cluster.fence):
        step(node)
    elif step is not None:
        await step(node)
    else:
        for _ in range(rng.randint(1, 10)):
            await cluster.learn(node)


async def recover_everything(cluster):
    """Starts all members, and lets them complete all moves."""
    for name in NAMES:
        if name not in cluster.nodes or not cluster.nodes[name].is_up:
            await cluster.start(name)
    await cluster.service.ring.add_member("p-0")
    for name in sorted(cluster.service.member_table.in_state(RingState.DRAINING)):
        await cluster.service.ring.drain_member(name)
    for _ in range(3_000):
        await cluster.pass_time(1.0)
        if not cluster.service.member_table.is_rebalancing and not cluster.service.view.moves:
            break
        for node in cluster.nodes.values():
            while node.view.revision < cluster.service.view.revision:
                await cluster.learn(node)
            await cluster.clean(node)
            await cluster.copy(node)
            cluster.fence(node)
            await cluster.commit(node)
            cluster.append(node)
    for node in cluster.nodes.values():
        while node.view.revision < cluster.service.view.revision:
            await cluster.learn(node)
        await cluster.clean(node)
    await cluster.settle()


@pytest.mark.parametrize("seed", range(40))
def test_random_crashes_lose_no_record_and_give_no_partition_two_owners(seed):
    async def body(cluster):
        for name in NAMES[:2]:
            await cluster.start(name)
        await cluster.make_topic(8)
        for _ in range(1_500):
            await random_event(cluster)
        await recover_everything(cluster)
        cluster.check_end()

    run(body, seed)


async def start_a_move(cluster, phase=MovePhase.PREPARE):
    await cluster.start("p-0")
    await cluster.make_topic(2)
    await cluster.start("p-1")
    await cluster.settle()
    [move] = cluster.service.view.moves
    return await cluster.service.ring.advance_move(move.move_id, phase)


def test_a_fenced_move_is_rolled_back_at_its_timeout_and_retried_later():
    async def body(cluster):
        move = await start_a_move(cluster, MovePhase.FENCE)
        assert await cluster.service.settle(cluster.now) == cluster.now + FENCE_TIMEOUT_S
        await cluster.pass_time(FENCE_TIMEOUT_S - 0.1)
        assert cluster.service.view.move(move.move_id) == move
        await cluster.pass_time(0.1)
        assert cluster.service.view.moves == ()
        placement = cluster.service.view.placement(move.topic_id, move.partition)
        assert placement == ("p-0", 1)
        for times, leader_epoch in ((1, 1), (2, 2), (4, 3)):
            retry_at = await cluster.service.settle(cluster.now)
            assert retry_at == cluster.now + times * FENCE_TIMEOUT_S
            await cluster.pass_time(retry_at - cluster.now)
            [retried] = cluster.service.view.moves
            assert (retried.target, retried.leader_epoch) == ("p-1", leader_epoch)
            assert retried.move_id > move.move_id
            await cluster.service.ring.advance_move(retried.move_id, MovePhase.FENCE)
            await cluster.settle()
            await cluster.pass_time(FENCE_TIMEOUT_S)

    run(body)


def test_a_fenced_move_whose_target_died_begins_again_when_the_target_is_back():
    async def body(cluster):
        move = await start_a_move(cluster, MovePhase.FENCE)
        await cluster.kill("p-1")
        await cluster.settle()
        assert cluster.service.view.moves == ()
        await cluster.start("p-1")
        await cluster.settle()
        [retried] = cluster.service.view.moves
        assert (retried.partition, retried.target) == (move.partition, "p-1")

    run(body)


def test_a_fence_has_its_whole_timeout_again_after_a_crash_of_the_service():
    async def body(cluster):
        move = await start_a_move(cluster, MovePhase.FENCE)
        await cluster.pass_time(FENCE_TIMEOUT_S - 0.1)
        await cluster.crash_service()
        await cluster.start("p-1")
        await cluster.pass_time(0.1)
        assert cluster.service.view.move(move.move_id) == move
        committed = await cluster.service.ring.advance_move(move.move_id, MovePhase.COMMIT)
        assert committed.phase is MovePhase.COMMIT

    run(body)


def test_planned_moves_are_planned_again_after_a_crash_and_finished_ones_are_not():
    async def body(cluster):
        await cluster.start("p-0")
        await cluster.make_topic(20)
        await cluster.start("p-1")
        await cluster.settle()
        await cluster.crash_service()
        await cluster.start("p-0")
        await cluster.start("p-1")
        await cluster.settle()
        assert len(cluster.service.scheduler.plan) + len(cluster.service.view.moves) == 10
        await recover_everything(cluster)
        # Owners are uneven by deletions only, which do not start moves.
        for _ in range(3):
            await cluster.make_topic(1)
        await cluster.crash_service()
        for name in NAMES:
            await cluster.start(name)
        await cluster.settle()
        assert cluster.service.view.moves == ()
        assert len(cluster.service.scheduler.plan) == 0

    run(body)


def test_the_busiest_partition_moves_first():
    async def body(cluster):
        await cluster.start("p-0")
        await cluster.make_topic(8)
        [topic] = cluster.service.view.topics
        loads = [LogLoad(topic.topic_id, number, 10, number % 5) for number in range(8)]
        cluster.service.members.take_report("p-0", MemberReport(loads))
        await cluster.start("p-1")
        await cluster.settle()
        first = [move.partition for move in cluster.service.view.moves]
        planned = [move.partition for move in cluster.service.scheduler.plan]
        rate = {number: number % 5 for number in range(8)}
        assert min(rate[partition] for partition in first) >= max(
            rate[partition] for partition in planned
        )

    run(body, moves_max=2)


def test_no_move_begins_between_members_while_one_is_down():
    async def body(cluster):
        await cluster.start("p-0")
        await cluster.make_topic(4)
        await cluster.start("p-1")
        await cluster.kill("p-1")
        await cluster.settle()
        assert cluster.service.view.moves == ()
        assert len(cluster.service.scheduler.plan) == 2
        await cluster.start("p-1")
        await cluster.settle()
        assert len(cluster.service.view.moves) == 2

    run(body)


def test_a_move_of_a_dead_member_does_not_count_against_the_limits():
    async def body(cluster):
        await cluster.start("p-0")
        await cluster.make_topic(12)
        await cluster.start("p-1")
        await cluster.settle()
        assert [move.target for move in cluster.service.view.moves] == ["p-1", "p-1"]
        await cluster.kill("p-1")
        await cluster.start("p-2")
        await cluster.settle()
        targets = [move.target for move in cluster.service.view.moves]
        assert targets == ["p-1", "p-1", "p-2", "p-2"]

    run(body, moves_max=2)


def test_a_fenced_move_waits_for_a_source_that_is_down():
    """The target may already have every record, and the source accepts no appends."""

    async def body(cluster):
        move = await start_a_move(cluster, MovePhase.FENCE)
        await cluster.kill("p-0")
        await cluster.kill("p-1")
        await cluster.pass_time(10 * FENCE_TIMEOUT_S)
        assert cluster.service.view.moves == (move,)
        await cluster.start("p-0")
        await cluster.settle()
        assert cluster.service.view.moves == ()

    run(body)


def test_a_fence_has_its_whole_timeout_again_when_its_source_comes_back():
    async def body(cluster):
        move = await start_a_move(cluster, MovePhase.FENCE)
        await cluster.kill("p-0")
        await cluster.pass_time(10 * FENCE_TIMEOUT_S)
        await cluster.start("p-0")
        await cluster.pass_time(FENCE_TIMEOUT_S - 0.1)
        assert cluster.service.view.moves == (move,)
        committed = await cluster.service.ring.advance_move(move.move_id, MovePhase.COMMIT)
        assert committed.phase is MovePhase.COMMIT

    run(body)


def test_a_member_is_drained_when_it_has_deleted_the_logs_that_moved_away():
    async def body(cluster):
        await cluster.start("p-0")
        await cluster.make_topic(1)
        await cluster.start("p-1")
        await cluster.settle()
        ring, member_table = cluster.service.ring, cluster.service.member_table
        [owner] = [name for name in ("p-0", "p-1") if member_table.owned(name)]
        await ring.drain_member(owner)
        await cluster.settle()
        [move] = cluster.service.view.moves
        for phase in (MovePhase.FENCE, MovePhase.COMMIT):
            await ring.advance_move(move.move_id, phase)
        await cluster.settle()
        assert (member_table.owned(owner), member_table.state(owner)) == (0, RingState.DRAINING)
        await ring.end_move(move.move_id)
        await cluster.settle()
        assert member_table.state(owner) is RingState.DRAINED

    run(body)


def test_a_cancelled_move_is_not_planned_again():
    async def body(cluster):
        move = await start_a_move(cluster)
        await cluster.service.ring.cancel_move(move.move_id)
        for _ in range(5):
            await cluster.pass_time(100.0)
        assert cluster.service.view.moves == ()
        assert not cluster.service.member_table.is_rebalancing

    run(body)


def test_the_scheduler_retries_after_a_bug(monkeypatch, caplog):
    async def body(cluster):
        monkeypatch.setattr(scheduler, "_BUG_RETRY_S_FIRST", 0.001)
        await cluster.start("p-0")
        await cluster.make_topic(8)
        cancelled = await start_two_moves_and_cancel_one(cluster)
        service, begin, states = cluster.service, phases.begin, []

        def fail(*_, **__):
            monkeypatch.setattr(phases, "begin", begin)
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr(phases, "begin", fail)
        changed = service.scheduler.working_changed
        changed.subscribe(lambda: states.append(not service.scheduler.trouble))
        for move in service.view.moves:
            await service.commit(phases.roll_back(service.view, [move]))
        running = asyncio.create_task(service.scheduler.run())
        while len(states) < 2 or not service.view.moves:  # noqa: ASYNC110 - no event marks this
            await asyncio.sleep(0)
        assert states == [False, True]
        # The failed attempt loses nothing of the plan, and the cancelled move stays cancelled.
        wanted = {(move.topic_id, move.partition) for move in service.view.moves}
        wanted |= {move.key for move in service.scheduler.plan}
        assert len(wanted) == 3
        assert (cancelled.topic_id, cancelled.partition) not in wanted
        running.cancel()
        await asyncio.wait([running])

    run(body)
    (line,) = [record for record in caplog.records if record.exc_info]
    assert line.exc_info[0] is ZeroDivisionError


async def start_two_moves_and_cancel_one(cluster):
    await cluster.start("p-1")
    await cluster.settle()
    cancelled, _ = cluster.service.view.moves
    await cluster.service.ring.cancel_move(cancelled.move_id)
    return cancelled
