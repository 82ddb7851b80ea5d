import asyncio

import pytest

from common.ports.partitions import (
    ACKS_ALL,
    LATEST_TIMESTAMP,
    Append,
    EpochQuery,
    LogId,
    OffsetQuery,
    Refusal,
)
from partition_svc.store.failures import StorageFailed
from tests.support.moves.members import (
    SOURCE,
    TARGET,
    Failpoints,
    NotifyingRing,
    Producer,
    moving_members,
)
from tests.support.stores.partition_core import (
    LOG,
    TOPIC_ID,
    append,
    base_offset,
    batch,
    content,
    fetch,
    query,
    read_everything,
    until,
)

_WITHIN_S = 60


def run(test):
    async def within_limits():
        async with asyncio.timeout(_WITHIN_S):
            await test()

    asyncio.run(within_limits())


@pytest.fixture
def points(monkeypatch):
    points = Failpoints()
    for module in ("moves.runner", "moves.target_move", "rpc.moving_servicer"):
        monkeypatch.setattr(f"partition_svc.{module}.reach", points.reach)
    return points


async def moved(ring, log=LOG):
    """Until the move is over and clean."""
    await until(lambda: ring.placement(log).owner == TARGET and not ring.moves)


async def assert_kept(core, *producers):
    """Every acknowledged batch is there once, at its place, and so is nothing else."""
    stored = await read_everything(core, producers[0].log)
    by_offset = {base_offset(one): content(one) for one in stored}
    assert len(by_offset) == len(stored)
    acknowledged = {
        offset: content(producer.batch(sequence))
        for producer in producers
        for sequence, offset in producer.acknowledged.items()
    }
    assert acknowledged.items() <= by_offset.items()
    # At most what each producer has not been told of yet is there beside it.
    assert len(by_offset) - len(acknowledged) <= len(producers)
    assert sorted(by_offset) == list(range(len(by_offset)))


def heads(member):
    return dict(member.store.heads())


def test_a_log_moves_under_appends_and_nothing_is_lost_doubled_or_out_of_order(tmp_path):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as members:
            source, target = members
            producers = [Producer(ring, members, producer_id=n) for n in range(5)]
            for _ in range(200):
                await asyncio.gather(*(one.send() for one in producers))
            sending = [asyncio.create_task(one.send_for_ever()) for one in producers]
            ring.begin()
            await moved(ring)
            count = len(producers[0].acknowledged)
            await until(lambda: len(producers[0].acknowledged) > count + 20)
            for one in sending:
                one.cancel()
            await asyncio.wait(sending)
            await assert_kept(target.core, *producers)
            assert not heads(source)
            assert ring.ended == [1]
            # Each call says which process makes it: the target's steps, then the source's end.
            assert ring.processes == [*[target.core.process] * 3, source.core.process]
            assert not target.core.incoming.markers

    run(test)


def test_the_state_of_a_log_moves_with_it(tmp_path):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            for number in range(50):
                one = batch(size=500, producer=(7, 0, number), timestamp_ms=1000 + number)
                await append(source.core, one)
            (before,) = await source.core.describe_logs([LOG])
            times = [OffsetQuery(LOG, time) for time in (0, 1030, 1049, 9999, -3, LATEST_TIMESTAMP)]
            found = await source.core.list_offsets(times)
            ring.begin()
            await moved(ring)
            (after,) = await target.core.describe_logs([LOG])
            after.leader_epoch = before.leader_epoch
            assert after == before
            asked = [(one.offset, one.timestamp) for one in found]
            now = await target.core.list_offsets(times)
            assert [(one.offset, one.timestamp) for one in now] == asked
            # The copy of a batch is recognised, the next one is taken, a gap is not.
            sent = [batch(size=500, producer=(7, 0, number)) for number in (49, 50, 60)]
            results = await append(target.core, *sent)
            assert [one.base_offset for one in results] == [49, 50, -1]
            ends = await target.core.epoch_end_offsets([EpochQuery(LOG, n) for n in (5, 6)])
            assert [(one.leader_epoch, one.end_offset) for one in ends] == [(5, 50), (6, 51)]

    run(test)


def test_an_empty_log_moves_and_may_come_back(tmp_path):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            ring.begin()
            await moved(ring)
            await append(target.core, batch(3))
            ring.begin(source=TARGET, target=SOURCE)
            await until(lambda: ring.placement().owner == SOURCE and not ring.moves)
            assert len(await read_everything(source.core)) == 1
            (result,) = await append(source.core, batch())
            assert result.base_offset == 3
            assert not heads(target)

    run(test)


def test_many_logs_move_at_once(tmp_path):
    async def test():
        partitions = 30
        ring = NotifyingRing(partitions=partitions)
        async with moving_members(tmp_path, ring) as (source, target):
            logs = [LogId(TOPIC_ID, number) for number in range(partitions)]
            for log in logs:
                await append(source.core, *(batch(size=5000, start=n) for n in range(20)), log=log)
            for log in logs:
                ring.begin(log)
            await until(lambda: not ring.moves)
            for log in logs:
                assert len(await read_everything(target.core, log)) == 20
            assert not heads(source)

    run(test)


def test_a_fenced_log_is_read_and_takes_no_appends(tmp_path, points):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            await append(source.core, batch())
            points.hold("move.target.installed")
            ring.begin()
            await until(lambda: "move.target.installed" in points.reached)
            (result,) = await source.core.append([Append(LOG, batch(), 5)], acks=ACKS_ALL)
            assert (result.refusal, result.leader_epoch) == (Refusal.MOVING, 5)
            assert len(await read_everything(source.core)) == 1
            assert (await fetch(target.core)).refusal is Refusal.NOT_OWNER
            # Who waits at the old owner is told when there is a new one.
            waiting = asyncio.ensure_future(source.core.fetch(query((LOG, 1), max_wait_ms=50_000)))
            await fetch(source.core)
            points.let_go("move.target.installed")
            assert (await waiting)[0].refusal is Refusal.NOT_OWNER
            await moved(ring)

    run(test)


def test_the_new_owner_serves_as_soon_as_it_learns_of_the_commit(tmp_path, points):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            await append(source.core, batch())
            points.hold("move.target.installed")
            ring.begin()
            await until(lambda: "move.target.installed" in points.reached)
            # Its watch is slow: only the answer to its own call says that it is the owner.
            told = ring.listeners.pop(TARGET)
            points.let_go("move.target.installed")
            await until(lambda: target.core.owns(LOG))
            (result,) = await target.core.append([Append(LOG, batch(), 6)], acks=ACKS_ALL)
            assert (result.refusal, result.base_offset) == (None, 1)
            told(ring.snapshot())
            ring.listeners[TARGET] = told
            assert len(await read_everything(target.core)) == 2

    run(test)


#: Where a move may be when it is given up, and the epoch that the source goes on under.
GIVEN_UP_AT = {
    "move.target.prepare": 5,
    "move.source.copy": 5,
    "move.target.catch-up": 5,
    "move.source.fence": 6,
    "move.source.fenced": 6,
    "move.target.fenced": 6,
    "move.target.installed": 6,
}


@pytest.mark.parametrize(("held", "leader_epoch"), GIVEN_UP_AT.items())
def test_a_move_that_is_given_up_leaves_everything_where_it_was(
    tmp_path, points, held, leader_epoch
):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as members:
            source, target = members
            producer = Producer(ring, members, producer_id=1)
            for _ in range(50):
                await producer.send()
            points.hold(held)
            ring.begin()
            await until(lambda: held in points.reached)
            ring.roll_back(1)
            points.let_go(held)
            await producer.send()
            await until(lambda: not heads(target) and not target.core.incoming.markers)
            await assert_kept(source.core, producer)
            assert ring.placement() == (SOURCE, leader_epoch)
            # And it may be tried again.
            ring.begin()
            await moved(ring)
            await producer.send()
            await assert_kept(target.core, producer)

    run(test)


@pytest.mark.parametrize("step", ["prepare", "catch-up", "fence", "fenced"])
def test_a_partial_copy_is_deleted_if_the_source_is_lost(tmp_path, points, step):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            for _ in range(5):
                await append(source.core, batch())
            served = []
            target.core.serving_changed.subscribe(
                lambda: served.append(target.core.serving_epoch(LOG))
            )
            points.hold(f"move.target.{step}")
            ring.begin()
            await until(lambda: f"move.target.{step}" in points.reached)
            ring.begin_anew(1, TARGET)
            assert served[-1] is None
            points.let_go(f"move.target.{step}")
            # Whoever follows what is served here, a coordinator, is told.
            await until(lambda: served[-1] == 6)
            (result,) = await target.core.append([Append(LOG, batch(), 6)], acks=ACKS_ALL)
            assert (result.refusal, result.base_offset) == (None, 0)
            assert len(await read_everything(target.core)) == 1
            assert not target.core.incoming.markers
            # The same after the next start.
            await target.crash()
            await target.start()
            assert len(await read_everything(target.core)) == 1

    run(test)


def test_a_complete_copy_is_kept_if_the_source_is_lost(tmp_path, points):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            for _ in range(5):
                await append(source.core, batch())
            points.hold("move.target.installed")
            ring.begin()
            await until(lambda: "move.target.installed" in points.reached)
            ring.begin_anew(1, TARGET)
            points.let_go("move.target.installed")
            await until(lambda: not target.core.incoming.markers)
            assert len(await read_everything(target.core)) == 5

    run(test)


@pytest.mark.parametrize("held", ["move.source.clean", "move.source.cleaned"])
def test_the_source_keeps_its_logs_if_the_target_is_lost(tmp_path, points, held):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, _):
            await append(source.core, batch())
            points.hold(held)
            ring.begin()
            await until(lambda: held in points.reached)
            ring.begin_anew(1, SOURCE, is_cleaned=False)
            (taken,) = await source.core.append([Append(LOG, batch(), 7)], acks=ACKS_ALL)
            assert taken.refusal is None
            points.let_go(held)
            await until(lambda: not ring.moves)
            # What it had up to the fence, unless that was deleted before it got the log again.
            had = 1 if held == "move.source.clean" else 0
            assert taken.base_offset == had
            assert len(await read_everything(source.core)) == had + 1

    run(test)


#: Where each side may be killed, and what is held for it: every step.
TARGET_STEPS = ["prepare", "catch-up", "fence", "fenced", "installed", "committed"]
SOURCE_STEPS = ["copy", "fence", "fenced", "clean", "cleaned"]
PLACES = [
    *(f"move.target.{one}" for one in TARGET_STEPS),
    *(f"move.source.{one}" for one in SOURCE_STEPS),
]


@pytest.mark.parametrize("held", PLACES)
@pytest.mark.parametrize("victims", ["target", "source", "source and target"])
def test_a_move_continues_after_a_process_is_killed_at_any_step(tmp_path, points, victims, held):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as members:
            source, target = members
            producer = Producer(ring, members, producer_id=1)
            for _ in range(50):
                await producer.send()
            points.hold(held)
            ring.begin()
            await until(lambda: held in points.reached)
            killed = [
                one
                for one, name in zip(members, ("source", "target"), strict=True)
                if name in victims
            ]
            for one in killed:
                await one.crash()
            points.let_go(held)
            for one in killed:
                await one.start()
            await moved(ring)
            for _ in range(3):
                await producer.send()
            await assert_kept(target.core, producer)
            assert not heads(source)
            await until(lambda: not target.core.incoming.markers)

    run(test)


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize(
    "held", ["move.source.copy", "move.target.fence", "move.source.fenced", "move.target.installed"]
)
def test_a_move_continues_when_a_failed_disk_works_again(tmp_path, monkeypatch, points, side, held):
    def fail(*_):
        raise StorageFailed("no space")

    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as members:
            source, target = members
            producer = Producer(ring, members, producer_id=1)
            for _ in range(100):
                await producer.send()
            points.hold(held)
            ring.begin()
            await until(lambda: held in points.reached)
            failing = source if side == "source" else target
            with monkeypatch.context() as full:
                full.setattr(failing.store, "write", fail)
                points.let_go(held)
                # Noticed at once, whatever the move does.
                chore = failing.core._committer.run_exclusive(lambda: failing.store.check())
                await asyncio.wait([chore])
                assert chore.exception() is not None
                # It would hold on to the failed database.
                del chore
            await moved(ring)
            await producer.send()
            await assert_kept(target.core, producer)

    run(test)


def test_a_topic_that_is_deleted_while_it_moves_leaves_nothing(tmp_path, points):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            await append(source.core, *(batch(size=90_000) for _ in range(20)))
            points.hold("move.source.copy")
            ring.begin()
            await until(lambda: heads(target))
            ring.delete_topic()
            points.let_go("move.source.copy")
            await until(lambda: not heads(source) and not heads(target))
            await until(lambda: not target.core.incoming.markers)

    run(test)
