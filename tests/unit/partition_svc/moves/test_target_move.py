import asyncio
from types import SimpleNamespace

import pytest

from common.ports.metadata import Placement
from common.ports.moves import MovePhase, MoveProgress
from common.ports.partitions import ACKS_ALL, Append, LogId, Refusal
from partition_svc.log.rate_limit import NO_LIMIT, RateLimit
from partition_svc.moves import target_move as target_module
from partition_svc.moves.target_move import TargetMove
from partition_svc.rpc import moving_servicer
from partition_svc.store.keys import FEW_MOVED_KINDS, MOVED_KINDS, log_key
from partition_svc.store.space.room import Room
from protos.partition.v1 import moving_pb2 as pb
from tests.support.moves.members import TARGET, Failpoints, NotifyingRing, moving_members
from tests.support.stores.failing_stores import CancelledChore
from tests.support.stores.many_producers import store_producers
from tests.support.stores.partition_core import (
    LOG,
    TOPIC_ID,
    append,
    batch,
    content,
    read_everything,
    until,
)


def run(test):
    async def within_limits():
        async with asyncio.timeout(60):
            await test()

    asyncio.run(within_limits())


@pytest.fixture
def points(monkeypatch):
    points = Failpoints()
    for module in ("moves.runner", "moves.target_move", "rpc.moving_servicer"):
        monkeypatch.setattr(f"partition_svc.{module}.reach", points.reach)
    return points


def heads_of(member):
    return dict(member.store.reader.heads())


async def wait_until_moved(ring):
    await until(lambda: ring.placement().owner == TARGET and not ring.moves)


def test_batches_damaged_in_transit_are_requested_again(tmp_path, monkeypatch):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            sent = [batch(size=60_000, start=n) for n in range(20)]
            await append(source.core, *sent)
            read, damaged = source.core.outgoing.batches, []

            async def damage_first_batches(*arguments):
                async for found in read(*arguments):
                    if len(damaged) < 2:
                        damaged.append(found[-1])
                        found = [*found[:-1], found[-1][:-1] + b"?"]
                    yield found

            monkeypatch.setattr(source.core.outgoing, "batches", damage_first_batches)
            ring.begin()
            await wait_until_moved(ring)
            assert len(damaged) == 2
            stored = await read_everything(target.core)
            assert list(map(content, stored)) == list(map(content, sent))

    run(test)


@pytest.mark.parametrize("fits", [0, 3], ids=["at once", "after some batches"])
def test_a_copy_without_room_is_deleted_and_retried_when_there_is_room(tmp_path, monkeypatch, fits):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            await append(source.core, *(batch(size=200_000) for _ in range(30)))
            with monkeypatch.context() as patch:
                room = 100 << 20 if fits else 0
                patch.setattr(Room, "for_copies", lambda *_: room)
                if fits:
                    points = Failpoints()
                    points.hold("move.source.copy")
                    patch.setattr(moving_servicer, "reach", points.reach)
                    ring.begin()
                    await until(lambda: "move.source.copy" in points.reached)
                    room = 0
                    points.release("move.source.copy")
                else:
                    ring.begin()
                await until(
                    lambda: [move.trouble for move in target.mover.progress if move.trouble]
                )
                await until(lambda: not heads_of(target) and not target.core.incoming.markers)
                (progress,) = target.mover.progress
                assert progress.trouble.startswith("NoRoom no room on the disk")
                assert progress.total_bytes > 30 * 200_000
                assert ring.moves[1].phase is MovePhase.PREPARE
                # Appends to the target continue.
                assert target.core._committer.refusal is None
                begun = []
                patch.setattr(target.core.incoming, "begin", lambda move: begun.append(move))
                await asyncio.sleep(0.1)
                assert not begun
            await wait_until_moved(ring)
            assert len(await read_everything(target.core)) == 30
            assert not heads_of(source)

    run(test)


def test_a_complete_copy_is_not_fenced_or_written_again(tmp_path, points):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            await append(source.core, batch(producer=(1, 0, 0)))
            points.hold("move.target.installed")
            ring.begin()
            await until(lambda: "move.target.installed" in points.reached)
            await target.crash()
            # Its COMMIT may come at any time, so nothing may be written to the copy.
            await source.crash()
            await target.start()
            await until(lambda: points.reached.count("move.target.installed") == 2)
            points.release("move.target.installed")
            await until(lambda: ring.placement().owner == TARGET)
            assert points.reached.count("move.source.fence") == 1
            (result,) = await append(target.core, batch(producer=(1, 0, 0)))
            assert (result.refusal, result.base_offset) == (None, 0)
            await source.start()
            await wait_until_moved(ring)

    run(test)


def test_an_old_view_does_not_delete_a_complete_copy(tmp_path, points):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            await append(source.core, batch())
            points.hold("move.target.installed")
            move = ring.begin()
            await until(lambda: "move.target.installed" in points.reached)
            await target.crash()
            await ring.advance_move(move.move_id, MovePhase.COMMIT)
            await until(lambda: not ring.moves)
            # Publish the move as it was before its fence, although it has ended.
            ring.moves[move.move_id] = move
            owner, ring.placements[0] = ring.placements[0], Placement("partition-0", 5)
            points.release("move.target.installed")
            before = list(points.reached)
            ring.advance_move = no_such_move
            await target.start()
            await until(lambda: target.mover._ended)
            assert points.reached == before
            ring.moves.clear()
            ring.placements[0] = owner
            ring.listeners[TARGET](ring.snapshot())
            assert len(await read_everything(target.core)) == 1

    run(test)


async def no_such_move(*_, process):
    return None


class Rounds(TargetMove):
    """A move whose rounds copy these numbers of bytes."""

    def __init__(self, limit, *sizes):
        self._limit = limit
        self._sizes = list(sizes)
        self.limits = []

    async def _copy_round(self, _, limit):
        self.limits.append(limit)
        return self._sizes.pop(0)


@pytest.mark.parametrize(
    ("sizes", "unlimited_from"),
    [
        ([10], None),
        ([100 << 20, 40 << 20, 10 << 20, 2 << 20, 1 << 20], None),
        ([100 << 20, 60 << 20, 30 << 20, 1 << 20], 2),
        ([20 << 20] * 14, 2),
    ],
    ids=["short", "shrinking", "slow", "never"],
)
def test_the_tail_is_copied_until_it_is_short_enough(sizes, unlimited_from):
    limit = RateLimit(1)
    rounds = Rounds(limit, *sizes, 0, 0)
    asyncio.run(rounds._catch_up(None))
    assert len(rounds.limits) == len(sizes)
    unlimited = [limit is NO_LIMIT for limit in rounds.limits]
    assert unlimited == [
        unlimited_from is not None and number >= unlimited_from for number in range(len(sizes))
    ]


def test_progress_has_the_bytes_of_the_copy_and_of_the_log(tmp_path, points):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            await append(source.core, *(batch(size=50_000) for _ in range(20)))
            size = (await source.core.describe_logs([LOG]))[0].size_bytes
            points.hold("move.target.prepare")
            ring.begin()
            await until(lambda: points.reached)
            assert list(target.mover.progress) == [MoveProgress(1, 0, 0)]
            points.hold("move.target.catch-up")
            points.release("move.target.prepare")
            await until(lambda: "move.target.catch-up" in points.reached)
            assert list(target.mover.progress) == [MoveProgress(1, size, size)]
            points.release("move.target.catch-up")
            await wait_until_moved(ring)
            assert list(target.mover.progress) == []

    run(test)


def test_an_unrecorded_commit_changes_no_owner(tmp_path, monkeypatch):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            await append(source.core, batch())
            advance, refused = ring.advance_move, []

            async def advance_move(move_id, phase, *, process):
                if phase is MovePhase.COMMIT and len(refused) < 3:
                    refused.append(target.core._registry.find(LOG))
                    return ring.moves[move_id]
                return await advance(move_id, phase, process=process)

            monkeypatch.setattr(ring, "advance_move", advance_move)
            ring.begin()
            await wait_until_moved(ring)
            assert refused == [Refusal.NOT_OWNER] * 3

    run(test)


@pytest.mark.parametrize("when", ["queued", "run"])
@pytest.mark.parametrize("number", range(8))
def test_a_move_cancelled_at_any_write_deletes_no_records_of_the_next_owner(
    tmp_path, monkeypatch, number, when
):
    """The target gets the log without the move, accepts an append, and restarts."""

    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            await append(source.core, batch())
            with monkeypatch.context() as patch:
                cancelled_task = CancelledChore(
                    target.core._committer,
                    patch,
                    number=number,
                    when=when,
                    on_cancelled=lambda: ring.replace_owner(1, TARGET),
                )
                ring.begin()
                await until(lambda: cancelled_task.has_cancelled)
            await until(lambda: target.core.serving_epoch(LOG) == 6)
            (result,) = await target.core.append([Append(LOG, batch(), 6)], acks=ACKS_ALL)
            assert result.refusal is None
            await target.crash()
            await target.start()
            await until(lambda: not target.core.incoming.markers)
            await until(lambda: target.core.serving_epoch(LOG) == 6)
            assert len(await read_everything(target.core)) == result.base_offset + 1

    run(test)


def test_a_bug_in_one_move_ends_neither_the_mover_nor_other_moves(tmp_path, monkeypatch, caplog):
    async def test():
        ring = NotifyingRing()
        failing_log = LogId(TOPIC_ID, 1)
        async with moving_members(tmp_path, ring) as (source, target):
            await append(source.core, batch())
            begin = target.core.incoming.begin

            async def fail_for_one_log(move):
                if move.partition == failing_log.partition:
                    raise ZeroDivisionError("a bug")
                return await begin(move)

            monkeypatch.setattr(target.core.incoming, "begin", fail_for_one_log)
            ring.begin(failing_log)
            await until(lambda: "ZeroDivisionError" in caplog.text)
            ring.begin()
            await until(lambda: ring.placement().owner == TARGET and 2 not in ring.moves)
            assert not target._moving.done()
            assert ring.moves[1].phase is MovePhase.PREPARE

    run(test)


def producers_of(member):
    """Returns the rows of producers without their times, which may differ."""
    rows = dict(member.store.reader.producers(log_key(*LOG)))
    return {producer_id: (row[:2], row[10:]) for producer_id, row in rows.items()}


@pytest.mark.parametrize("failpoint", ["move.target.prepare", "move.target.catch-up"])
def test_very_many_producers_move_before_the_fence(tmp_path, points, monkeypatch, failpoint):
    async def test():
        ring, count = NotifyingRing(), 50_000
        async with moving_members(tmp_path, ring) as (source, target):
            store_producers(source.store, count)
            await append(source.core, *(batch(producer=(count + n, 0, 0)) for n in range(20)))
            fenced, rows = [], source.core.outgoing.rows

            def record_kinds(log, kinds):
                if log.is_fenced:
                    fenced.append(kinds)
                return rows(log, kinds)

            monkeypatch.setattr(source.core.outgoing, "rows", record_kinds)
            points.hold(failpoint)
            ring.begin()
            await until(lambda: failpoint in points.reached)
            # Known producers, new ones, and a new epoch append while the log is copied.
            late = [(count, 0, 1), (count + 1, 1, 0), (count + 90, 0, 0), (7, 0, 1), (count, 0, 2)]
            await append(source.core, *(batch(producer=producer) for producer in late))
            points.hold("move.target.installed")
            points.release(failpoint)
            await until(lambda: "move.target.installed" in points.reached)
            assert fenced == [FEW_MOVED_KINDS]
            assert len(producers_of(target)) == count + 21
            assert producers_of(target) == producers_of(source)
            points.release("move.target.installed")
            await wait_until_moved(ring)
            retried = await append(target.core, batch(producer=(count, 0, 2)))
            assert retried[0].base_offset == 24

    run(test)


@pytest.mark.parametrize("older", ["source", "target"])
def test_producers_move_between_releases(tmp_path, monkeypatch, older):
    """An older source sends producers only after the fence; an older target requests none."""

    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            await append(source.core, *(batch(producer=(n, 0, 0)) for n in range(20)))
            ring.begin()
            await wait_until_moved(ring)
            assert len(producers_of(target)) == 20
            retried = await append(target.core, batch(producer=(7, 0, 0)))
            assert retried[0].base_offset == 7

    if older == "source":
        monkeypatch.setattr(moving_servicer.OutgoingLogs, "producers", no_rows)
        monkeypatch.setattr(moving_servicer, "FEW_MOVED_KINDS", MOVED_KINDS)
    else:
        messages = {
            "CopyLogRequest": without_producers(pb.CopyLogRequest),
            "FenceLogRequest": without_producers(pb.FenceLogRequest),
            "LogPart": pb.LogPart,
        }
        monkeypatch.setattr(target_module, "pb", SimpleNamespace(**messages))
    run(test)


async def no_rows(*_):
    """Yields nothing."""
    for rows in ():
        yield rows


def without_producers(request):
    """Returns a constructor of requests as earlier releases send them."""

    def make(*, with_producers=False, has_producers=False, **fields):
        return request(**fields)

    return make


def test_a_log_moves_away_from_a_full_disk(tmp_path, monkeypatch):
    async def test():
        ring = NotifyingRing()
        async with moving_members(tmp_path, ring) as (source, target):
            await append(source.core, *(batch(size=5000) for _ in range(20)))
            monkeypatch.setattr(source.store.room, "is_short", lambda _: True)
            (refused,) = await append(source.core, batch())
            assert refused.refusal is Refusal.KAFKA_STORAGE_ERROR
            assert not source.core.disk_state().is_writable
            ring.begin()
            await wait_until_moved(ring)
            assert len(await read_everything(target.core)) == 20
            assert not heads_of(source)

    run(test)
