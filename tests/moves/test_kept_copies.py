"""Copies that remain from moves that were rolled back, and which the next attempt continues."""

import pytest

from common.ports.partitions import ACKS_ALL, Append
from partition_svc.log.log_config import LogConfig
from partition_svc.store.space.room import Room
from tests.support.moves.members import Failpoints, NotifyingRing, moving_members
from tests.support.stores.partition_core import LOG, append, batch, content, read_everything, until
from tests.unit.partition_svc.moves.test_target_move import heads_of, run, wait_until_moved


@pytest.fixture
def points(monkeypatch):
    points = Failpoints()
    monkeypatch.setattr("partition_svc.moves.target_move.reach", points.reach)
    return points


def record_copied_offsets(source, monkeypatch):
    """Returns a list that gets the start offset of each later read from the source."""
    offsets, batches = [], source.core.outgoing.batches

    def read_batches(log, offset, end_offset):
        offsets.append(offset)
        return batches(log, offset, end_offset)

    monkeypatch.setattr(source.core.outgoing, "batches", read_batches)
    return offsets


@pytest.mark.parametrize("step", ["catch-up", "fenced", "installed"])
@pytest.mark.parametrize("restarts", [False, True], ids=["target keeps running", "target restarts"])
def test_the_next_attempt_continues_with_the_copy(tmp_path, points, monkeypatch, step, restarts):
    async def test():
        ring = NotifyingRing()
        settings = {"move_copy_retention_ms": 600_000}
        async with moving_members(tmp_path, ring, **settings) as (source, target):
            await append(source.core, *(batch(size=5000, producer=(1, 0, n)) for n in range(20)))
            points.hold(f"move.target.{step}")
            ring.begin()
            await until(lambda: f"move.target.{step}" in points.reached)
            ring.roll_back(1)
            points.release(f"move.target.{step}")
            if restarts:
                await target.crash()
                await target.start()
            epoch = ring.placement().leader_epoch
            late = [Append(LOG, batch(producer=(1, 0, 20 + n)), epoch) for n in range(3)]
            results = await source.core.append(late, acks=ACKS_ALL)
            assert [result.base_offset for result in results] == [20, 21, 22]
            await until(lambda: not target.mover._tasks)
            assert len(heads_of(target)) == 1
            offsets = record_copied_offsets(source, monkeypatch)
            ring.begin()
            await wait_until_moved(ring)
            assert min(offsets) == 20
            assert len(await read_everything(target.core)) == 23
            duplicate = await append(target.core, batch(producer=(1, 0, 22)))
            assert duplicate[0].base_offset == 22
            assert not heads_of(source)

    run(test)


def test_a_copy_that_differs_from_the_log_is_not_continued(tmp_path, points, monkeypatch):
    """The owner was lost after the roll-back, and the log began again at offset 0."""

    async def test():
        ring = NotifyingRing()
        settings = {"move_copy_retention_ms": 600_000}
        async with moving_members(tmp_path, ring, **settings) as (source, target):
            await append(source.core, *(batch(start=n) for n in range(20)))
            points.hold("move.target.fenced")
            ring.begin()
            await until(lambda: "move.target.fenced" in points.reached)
            ring.roll_back(1)
            points.release("move.target.fenced")
            await until(lambda: not target.mover._tasks)
            # Simulate that the member restarts with an empty volume, under a later epoch.
            await source.core.incoming.delete(LOG)
            source.core._registry.find(LOG).reload()
            ring.placements[0] = ring.placements[0]._replace(leader_epoch=9)
            for notify in ring.listeners.values():
                notify(ring.snapshot())
            appends = [Append(LOG, batch(start=100 + n), 9) for n in range(30)]
            await source.core.append(appends, acks=ACKS_ALL)
            offsets = record_copied_offsets(source, monkeypatch)
            ring.begin()
            await wait_until_moved(ring)
            assert 0 in offsets
            batches = await read_everything(target.core)
            assert list(map(content, batches)) == [content(append.batch) for append in appends]

    run(test)


@pytest.mark.parametrize("reason", ["retention", "no room", "compacted"])
def test_an_unneeded_copy_is_deleted(tmp_path, points, monkeypatch, reason):
    async def test():
        ring = NotifyingRing()
        settings = {"move_copy_retention_ms": 1 if reason == "retention" else 600_000}
        async with moving_members(tmp_path, ring, **settings) as (source, target):
            await append(source.core, batch())
            points.hold("move.target.fenced")
            ring.begin()
            await until(lambda: "move.target.fenced" in points.reached)
            if reason == "no room":
                monkeypatch.setattr(Room, "for_copies", lambda *_: 0)
            if reason == "compacted":
                config = LogConfig.of({"cleanup.policy": "compact"}, {})
                monkeypatch.setattr(target.core.incoming, "_config_of", lambda _: config)
            ring.roll_back(1)
            points.release("move.target.fenced")
            await until(lambda: not heads_of(target) and not target.core.incoming.markers)

    run(test)
