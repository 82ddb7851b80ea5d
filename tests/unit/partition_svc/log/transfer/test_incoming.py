import asyncio
from contextlib import asynccontextmanager

import pytest

from common.ports.moves import Move, MovePhase
from common.ports.partitions import LogId
from common.records.batch import assign_offset
from common.records.errors import CorruptRecords
from partition_svc.store.failures import StorageFailed
from partition_svc.store.keys import (
    COMPACTED_BIT,
    MOVED_KINDS,
    CopyMarker,
    LogHead,
    incoming_key,
    log_key,
)
from partition_svc.store.reading import ReadLimits
from tests.support.stores.failing_stores import CancelledChore
from tests.support.stores.partition_core import (
    TOPIC_ID,
    append,
    batch,
    read_everything,
    running_core,
    topic,
    until,
)

OTHER_TOPIC_ID = b"another of 16 by"
LOG = LogId(OTHER_TOPIC_ID, 0)
KEY = log_key(*LOG)
EVERYTHING = ReadLimits(1 << 30, 1 << 30, at_least_one=True)


def move(move_id=1, phase=MovePhase.PREPARE):
    return Move(move_id, *LOG, "partition-9", "partition-0", 5, phase)


def batch_at(base_offset, count=1, leader_epoch=5, **options):
    return assign_offset(batch(count, start=base_offset, **options), base_offset, leader_epoch)


def run(test):
    async def within_limits():
        async with asyncio.timeout(60):
            await test()

    asyncio.run(within_limits())


@asynccontextmanager
async def member(folder, **configs):
    """Runs a core that is the target of a move of `LOG`."""
    topic_of_another_member = topic(
        OTHER_TOPIC_ID, owner="partition-9", leader_epoch=5, configs=configs
    )
    async with running_core(folder, topic(TOPIC_ID), topic_of_another_member) as core:
        yield core


def read_all(core):
    return core._store.reader.read(KEY, 0, 1 << 40, EVERYTHING).batches


def test_copy_continues_after_a_restart(tmp_path):
    async def test():
        sent = [batch_at(0, 3), batch_at(3, 2), batch_at(5)]
        async with member(tmp_path) as core:
            copy = await core.incoming.begin(move())
            await core.incoming.add(copy, b"".join(sent[:2]))
        async with member(tmp_path) as core:
            assert core.incoming.markers == {LOG: CopyMarker(1, 5)}
            copy = await core.incoming.begin(move())
            assert copy.next_offset == 5
            await core.incoming.add(copy, sent[2])
            assert read_all(core) == sent
            head = LogHead(0, 6, 0, 9, 2, 5)
            await core.incoming.complete(copy, head)
            assert core.incoming.markers == {LOG: CopyMarker(1, 5, is_whole=True)}
            size_bytes = sum(map(len, sent))
            assert core._store.head(KEY) == head._replace(size_bytes=size_bytes, fence_epoch=5)

    run(test)


def test_a_copy_of_a_compacted_log_has_segments_of_the_compacted_family(tmp_path):
    async def test():
        async with member(tmp_path, **{"cleanup.policy": "compact"}) as core:
            copy = await core.incoming.begin(move())
            await core.incoming.add(copy, batch_at(0, 3))
            assert core._store.reader.last_segment(KEY) == (COMPACTED_BIT, 0)

    run(test)


@pytest.mark.parametrize(
    ("later", "is_kept"),
    [
        (move(1, MovePhase.FENCE), True),
        (move(1, MovePhase.CATCH_UP), True),
        (move(2, MovePhase.FENCE), False),
    ],
    ids=["same", "same, in an older view", "another"],
)
def test_a_complete_copy_is_kept_for_its_own_move_only(tmp_path, later, is_kept):
    async def test():
        async with member(tmp_path) as core:
            copy = await core.incoming.begin(move())
            await core.incoming.add(copy, batch_at(0))
            await core.incoming.complete(copy, LogHead(0, 1, leader_epoch=5))
            second_copy = await core.incoming.begin(later)
            assert second_copy.marker == CopyMarker(later.move_id, 5, is_whole=is_kept)
            assert second_copy.next_offset == len(read_all(core)) == is_kept

    run(test)


def test_begin_deletes_data_of_an_earlier_ownership_and_never_newer_data(tmp_path):
    async def test():
        async with member(tmp_path) as core:
            copy = await core.incoming.begin(move())
            await core.incoming.add(copy, batch_at(0, leader_epoch=3))
            await core.incoming.complete(copy, LogHead(0, 1, leader_epoch=3))
            await core.incoming.promote(LOG)
            assert not core.incoming.markers
            copy = await core.incoming.begin(move(2))
            assert copy.next_offset == 0
            await core.incoming.add(copy, batch_at(0, leader_epoch=7))
            await core.incoming.promote(LOG)
            with pytest.raises(StorageFailed):
                await core.incoming.begin(move(3))
            assert len(read_all(core)) == 1

    run(test)


@pytest.mark.parametrize(
    "batches",
    [
        batch_at(2)[:-1] + b"?",
        batch_at(1),
        batch_at(2) + batch_at(2),
        batch_at(2)[:-1],
        b"something else, and longer than the header of any batch that there is in Kafka",
    ],
    ids=["damaged", "there already", "twice", "cut off", "no batch"],
)
def test_batches_that_do_not_follow_the_copy_are_not_added(tmp_path, batches):
    async def test():
        async with member(tmp_path) as core:
            copy = await core.incoming.begin(move())
            await core.incoming.add(copy, batch_at(0, 2))
            with pytest.raises(CorruptRecords):
                await core.incoming.add(copy, batches)
            await core.incoming.add(copy, batch_at(2))
            assert read_all(core) == [batch_at(0, 2), batch_at(2)]

    run(test)


def test_a_copy_that_lacks_batches_is_not_complete(tmp_path):
    async def test():
        async with member(tmp_path) as core:
            copy = await core.incoming.begin(move())
            await core.incoming.add(copy, batch_at(0))
            with pytest.raises(CorruptRecords):
                await core.incoming.complete(copy, LogHead(0, 2, leader_epoch=5))
            assert not core.incoming.markers[LOG].is_whole

    run(test)


def test_copy_has_the_log_start_offset_of_its_source(tmp_path):
    async def test():
        async with member(tmp_path) as core:
            copy = await core.incoming.begin(move())
            # The first batch begins before the log start offset; later offsets were compacted away.
            await core.incoming.add(copy, batch_at(95, 10) + batch_at(110))
            await core.incoming.complete(copy, LogHead(100, 111, leader_epoch=5))
            assert core._store.head(KEY).log_start_offset == 100
            found = core._store.reader.read(KEY, 107, 111, EVERYTHING)
            assert found.batches == [batch_at(110)]

    run(test)


def test_copy_of_a_log_without_records_keeps_its_end_offset(tmp_path):
    async def test():
        async with member(tmp_path) as core:
            copy = await core.incoming.begin(move())
            await core.incoming.complete(copy, LogHead(100, 100, leader_epoch=3))
            assert core._store.head(KEY).next_offset == 100

    run(test)


def test_rows_are_those_added_after_the_last_clear(tmp_path):
    async def test():
        async with member(tmp_path) as core:
            copy = await core.incoming.begin(move())
            await core.incoming.add(copy, batch_at(0))
            for producer_id in (1, 2):
                await core.incoming.clear_rows(copy, MOVED_KINDS)
                row = (b"P", producer_id.to_bytes(8, "big"), b"state")
                await core.incoming.add_rows(copy, [row])
            assert list(core._store.reader.producers(KEY)) == [(2, b"state")]
            assert list(core._store.reader.epochs(KEY)) == []

    run(test)


def test_deleted_copy_does_not_return_with_queued_batches(tmp_path):
    async def test():
        async with member(tmp_path) as core:
            copy = await core.incoming.begin(move())
            adding = asyncio.ensure_future(core.incoming.add(copy, batch_at(0)))
            await asyncio.sleep(0)
            deleting = asyncio.ensure_future(core.incoming.delete(LOG))
            await asyncio.gather(adding, deleting, return_exceptions=True)
            with pytest.raises(StorageFailed):
                await core.incoming.add(copy, batch_at(1))
            assert read_all(core) == []
            assert not list(core._store.reader.incoming())
            assert dict(core._store.reader.heads()) == {}

    run(test)


def test_copy_is_opened_again_after_a_failure(tmp_path, monkeypatch):
    def fail(*_):
        raise StorageFailed("broken")

    async def test():
        async with member(tmp_path) as core:
            copy = await core.incoming.begin(move())
            await core.incoming.add(copy, batch_at(0))
            with monkeypatch.context() as patch:
                patch.setattr(core._store, "write", fail)
                with pytest.raises(StorageFailed):
                    await core.incoming.add(copy, batch_at(1))
            with pytest.raises(StorageFailed):
                await core.incoming.add(copy, batch_at(1))
            await until(lambda: core._committer.failure is None)
            with pytest.raises(StorageFailed):
                await core.incoming.add(copy, batch_at(1))
            copy = await core.incoming.begin(move())
            await core.incoming.add(copy, batch_at(1))
            assert read_all(core) == [batch_at(0), batch_at(1)]

    run(test)


def test_add_syncs_before_four_megabytes_are_unsynced(tmp_path, monkeypatch):
    async def test():
        async with member(tmp_path) as core:
            copy = await core.incoming.begin(move())
            sync, syncs = core._store.sync, []
            monkeypatch.setattr(core._store, "sync", lambda: (syncs.append(1), sync()))
            for number in range(12):
                await core.incoming.add(copy, batch_at(number, size=1_000_000))
                assert copy.unsynced_bytes < 4 << 20
            assert len(syncs) == 2

    run(test)


async def run_move(core, *, is_committed):
    """Makes each call of a target of a move once; promotes or deletes the copy at the end."""
    copy = await core.incoming.begin(move())
    await core.incoming.add(copy, batch_at(0))
    await core.incoming.sync(copy)
    await core.incoming.clear_rows(copy, MOVED_KINDS)
    await core.incoming.add_rows(copy, [(b"P", (1).to_bytes(8, "big"), b"state")])
    await core.incoming.complete(copy, LogHead(0, 1, leader_epoch=5))
    await core.incoming.begin(move())
    await (core.incoming.promote(LOG) if is_committed else core.incoming.delete(LOG))


#: Ten exclusive tasks: the first deletes the copy of an earlier move.
TASKS = range(10)


@pytest.mark.parametrize("is_committed", [True, False], ids=["promote", "deleted"])
@pytest.mark.parametrize("when", ["queued", "run"])
@pytest.mark.parametrize("number", TASKS)
def test_markers_are_those_of_the_store_after_a_move_is_cancelled(
    tmp_path, monkeypatch, number, when, is_committed
):
    async def test():
        async with member(tmp_path) as core:
            await core.incoming.begin(move(0))
            with monkeypatch.context() as patch:
                cancelled = CancelledChore(core._committer, patch, number=number, when=when)
                moving = asyncio.create_task(run_move(core, is_committed=is_committed))
                await asyncio.wait([moving])
            assert cancelled.has_cancelled
            assert moving.cancelled()
            # All queued tasks have ended after this one.
            await core._committer.run_exclusive(lambda: None)
            assert core.incoming.markers == {
                LogId(OTHER_TOPIC_ID, int.from_bytes(key[-4:], "big")): marker
                for key, marker in core._store.reader.incoming()
            }

    run(test)


def test_queued_task_of_a_cancelled_move_never_runs(tmp_path, monkeypatch):
    async def test():
        async with member(tmp_path) as core:
            cancelled = CancelledChore(core._committer, monkeypatch, number=0, when="queued")
            moving = asyncio.create_task(core.incoming.begin(move()))
            await asyncio.wait([moving])
            assert cancelled.has_cancelled
            await core._committer.run_exclusive(lambda: None)
            assert not list(core._store.reader.incoming())

    run(test)


def test_complete_copy_is_reopened_only_when_it_is_durable(tmp_path, monkeypatch):
    async def test():
        async with member(tmp_path) as core:
            copy = await core.incoming.begin(move())
            await core.incoming.add(copy, batch_at(0))
            with monkeypatch.context() as patch:
                CancelledChore(core._committer, patch, number=0, when="run")
                head = LogHead(0, 1, leader_epoch=5)
                completing = asyncio.create_task(core.incoming.complete(copy, head))
                await asyncio.wait([completing])
            assert core.incoming.markers[LOG].is_whole
            sync, syncs = core._store.sync, []
            monkeypatch.setattr(core._store, "sync", lambda: (syncs.append(1), sync()))
            await core.incoming.begin(move())
            assert syncs

    run(test)


def test_a_copy_from_before_a_recovery_cannot_be_completed(tmp_path):
    async def test():
        async with member(tmp_path) as core:
            copy = await core.incoming.begin(move())
            await core.incoming.add(copy, batch_at(0))
            # The store was opened again: it may have less than the copy in memory.
            core.incoming.on_recovered()
            for change in (
                core.incoming.complete(copy, LogHead(0, 1, leader_epoch=5)),
                core.incoming.add_rows(copy, [(b"P", bytes(8), b"state")]),
            ):
                with pytest.raises(StorageFailed):
                    await change
            assert dict(core._store.reader.incoming()) == {KEY: CopyMarker(1, 5)}
            assert not list(core._store.reader.producers(KEY))

    run(test)


def put_marker(store, marker):
    write = store.new_write()
    write.put(incoming_key(KEY), marker.pack())
    store.write(write, 0)


def test_a_marker_left_by_an_earlier_release_does_not_make_a_log_a_copy(tmp_path):
    """Such a log was appended to under a later epoch than the marker's."""

    async def test():
        owned = topic(OTHER_TOPIC_ID, leader_epoch=6)
        async with running_core(tmp_path, owned) as core:
            await append(core, batch(), log=LOG)
            put_marker(core._store, CopyMarker(1, 5))
        async with running_core(tmp_path, owned) as core:
            assert core.incoming.markers == {LOG: CopyMarker(1, 5, is_whole=True)}
            await core.delete_log(LOG)
            assert len(await read_everything(core, LOG)) == 1
            await core.incoming.promote(LOG)
            assert not list(core._store.reader.incoming())

    run(test)
