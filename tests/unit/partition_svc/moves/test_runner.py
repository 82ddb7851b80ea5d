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


async def wait_until_moved(ring, log=LOG):
    """Waits until the target owns the log and no move remains."""
    await until(lambda: ring.placement(log).owner == TARGET and not ring.moves)


async def assert_all_stored(core, *producers):
    """Asserts that the log has each acknowledged batch once, at its offset, and few others."""
    stored = await read_everything(core, producers[0].log)
    by_offset = {base_offset(batch): content(batch) for batch in stored}
    assert len(by_offset) == len(stored)
    acknowledged = {
        offset: content(producer.batch(sequence))
        for producer in producers
        for sequence, offset in producer.acknowledged.items()
    }
    assert acknowledged.items() <= by_offset.items()
    # Each producer may have one more batch whose acknowledgement is pending.
    assert len(by_offset) - len(acknowledged) <= len(producers)
    assert sorted(by_offset) == list(range(len(by_offset)))


def heads(member):
    return dict(member.store.reader.heads())


def test_a_log_moves_during_appends_without_losing_duplicating_or_reordering_batches(tmp_path):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as members:
            source, target = members
            producers = [Producer(ring, members, producer_id=n) for n in range(5)]
            for _ in range(200):
                await asyncio.gather(*(producer.send() for producer in producers))
            sending = [asyncio.create_task(producer.send_for_ever()) for producer in producers]
            ring.begin()
            await wait_until_moved(ring)
            count = len(producers[0].acknowledged)
            await until(lambda: len(producers[0].acknowledged) > count + 20)
            for task in sending:
                task.cancel()
            await asyncio.wait(sending)
            await assert_all_stored(target.core, *producers)
            assert not heads(source)
            assert ring.ended == [1]
            # Calls to the ring: three steps of the target, then the end by the source.
            assert ring.processes == [*[target.core.process] * 3, source.core.process]
            assert not target.core.incoming.markers

    run(test)


def test_the_state_of_a_log_moves_with_it(tmp_path):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            for number in range(50):
                sent = batch(size=500, producer=(7, 0, number), timestamp_ms=1000 + number)
                await append(source.core, sent)
            (before,) = await source.core.describe_logs([LOG])
            times = [OffsetQuery(LOG, time) for time in (0, 1030, 1049, 9999, -3, LATEST_TIMESTAMP)]
            offsets_before = await source.core.list_offsets(times)
            ring.begin()
            await wait_until_moved(ring)
            (after,) = await target.core.describe_logs([LOG])
            after.leader_epoch = before.leader_epoch
            assert after == before
            offsets_after = await target.core.list_offsets(times)
            assert [(result.offset, result.timestamp) for result in offsets_after] == [
                (result.offset, result.timestamp) for result in offsets_before
            ]
            # The target finds a duplicate, accepts the next sequence, and refuses a gap.
            sent = [batch(size=500, producer=(7, 0, number)) for number in (49, 50, 60)]
            results = await append(target.core, *sent)
            assert [result.base_offset for result in results] == [49, 50, -1]
            ends = await target.core.epoch_end_offsets([EpochQuery(LOG, n) for n in (5, 6)])
            assert [(end.leader_epoch, end.end_offset) for end in ends] == [(5, 50), (6, 51)]

    run(test)


def test_an_empty_log_moves_and_may_move_back(tmp_path):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            ring.begin()
            await wait_until_moved(ring)
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


def test_a_fenced_log_serves_reads_and_refuses_appends(tmp_path, points):
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
            # A fetch that waits at the old owner is refused when the commit is known.
            waiting = asyncio.ensure_future(source.core.fetch(query((LOG, 1), max_wait_ms=50_000)))
            await fetch(source.core)
            points.release("move.target.installed")
            assert (await waiting)[0].refusal is Refusal.NOT_OWNER
            await wait_until_moved(ring)

    run(test)


def test_the_new_owner_serves_as_soon_as_its_commit_succeeds(tmp_path, points):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            await append(source.core, batch())
            points.hold("move.target.installed")
            ring.begin()
            await until(lambda: "move.target.installed" in points.reached)
            # Its watch gets no change: only the response to its commit says that it is the owner.
            listener = ring.listeners.pop(TARGET)
            points.release("move.target.installed")
            await until(lambda: target.core.owns(LOG))
            (result,) = await target.core.append([Append(LOG, batch(), 6)], acks=ACKS_ALL)
            assert (result.refusal, result.base_offset) == (None, 1)
            listener(ring.snapshot())
            ring.listeners[TARGET] = listener
            assert len(await read_everything(target.core)) == 2

    run(test)


#: The failpoints at which a move is rolled back, and the epoch of the source afterwards.
ROLLED_BACK_AT = {
    "move.target.prepare": 5,
    "move.source.copy": 5,
    "move.target.catch-up": 5,
    "move.source.fence": 6,
    "move.source.fenced": 6,
    "move.target.fenced": 6,
    "move.target.installed": 6,
}


@pytest.mark.parametrize(("failpoint", "leader_epoch"), ROLLED_BACK_AT.items())
def test_rollback_of_a_move_leaves_the_log_at_the_source(tmp_path, points, failpoint, leader_epoch):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as members:
            source, target = members
            producer = Producer(ring, members, producer_id=1)
            for _ in range(50):
                await producer.send()
            points.hold(failpoint)
            ring.begin()
            await until(lambda: failpoint in points.reached)
            ring.roll_back(1)
            points.release(failpoint)
            await producer.send()
            await until(lambda: not heads(target) and not target.core.incoming.markers)
            await assert_all_stored(source.core, producer)
            assert ring.placement() == (SOURCE, leader_epoch)
            # A new move succeeds.
            ring.begin()
            await wait_until_moved(ring)
            await producer.send()
            await assert_all_stored(target.core, producer)

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
            ring.replace_owner(1, TARGET)
            assert served[-1] is None
            points.release(f"move.target.{step}")
            # Subscribers to the served epoch, as coordinators are, are notified.
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
            ring.replace_owner(1, TARGET)
            points.release("move.target.installed")
            await until(lambda: not target.core.incoming.markers)
            assert len(await read_everything(target.core)) == 5

    run(test)


@pytest.mark.parametrize("failpoint", ["move.source.clean", "move.source.cleaned"])
def test_the_source_keeps_its_logs_if_the_target_is_lost(tmp_path, points, failpoint):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, _):
            await append(source.core, batch())
            points.hold(failpoint)
            ring.begin()
            await until(lambda: failpoint in points.reached)
            ring.replace_owner(1, SOURCE, is_cleaned=False)
            (result,) = await source.core.append([Append(LOG, batch(), 7)], acks=ACKS_ALL)
            assert result.refusal is None
            points.release(failpoint)
            await until(lambda: not ring.moves)
            # The source has its batch unless the log was deleted before it became the owner again.
            count = 1 if failpoint == "move.source.clean" else 0
            assert result.base_offset == count
            assert len(await read_everything(source.core)) == count + 1

    run(test)


#: The failpoints of all steps, at which each side may be killed.
TARGET_STEPS = ["prepare", "catch-up", "fence", "fenced", "installed", "committed"]
SOURCE_STEPS = ["copy", "fence", "fenced", "clean", "cleaned"]
FAILPOINTS = [
    *(f"move.target.{step}" for step in TARGET_STEPS),
    *(f"move.source.{step}" for step in SOURCE_STEPS),
]


@pytest.mark.parametrize("failpoint", FAILPOINTS)
@pytest.mark.parametrize("victims", ["target", "source", "source and target"])
def test_a_move_continues_after_a_process_is_killed_at_any_step(
    tmp_path, points, victims, failpoint
):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as members:
            source, target = members
            producer = Producer(ring, members, producer_id=1)
            for _ in range(50):
                await producer.send()
            points.hold(failpoint)
            ring.begin()
            await until(lambda: failpoint in points.reached)
            killed = [
                member
                for member, name in zip(members, ("source", "target"), strict=True)
                if name in victims
            ]
            for member in killed:
                await member.crash()
            points.release(failpoint)
            for member in killed:
                await member.start()
            await wait_until_moved(ring)
            for _ in range(3):
                await producer.send()
            await assert_all_stored(target.core, producer)
            assert not heads(source)
            await until(lambda: not target.core.incoming.markers)

    run(test)


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize(
    "failpoint",
    ["move.source.copy", "move.target.fence", "move.source.fenced", "move.target.installed"],
)
def test_a_move_continues_when_a_failed_disk_works_again(
    tmp_path, monkeypatch, points, side, failpoint
):
    def fail(*_):
        raise StorageFailed("no space")

    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as members:
            source, target = members
            producer = Producer(ring, members, producer_id=1)
            for _ in range(100):
                await producer.send()
            points.hold(failpoint)
            ring.begin()
            await until(lambda: failpoint in points.reached)
            failing = source if side == "source" else target
            with monkeypatch.context() as patch:
                patch.setattr(failing.store, "write", fail)
                points.release(failpoint)
                # The failure is noticed now, whatever the move does.
                check = failing.core._committer.run_exclusive(lambda: failing.store.check())
                await asyncio.wait([check])
                assert check.exception() is not None
                # Its traceback would reference the failed database.
                del check
            await wait_until_moved(ring)
            await producer.send()
            await assert_all_stored(target.core, producer)

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
            points.release("move.source.copy")
            await until(lambda: not heads(source) and not heads(target))
            await until(lambda: not target.core.incoming.markers)

    run(test)
