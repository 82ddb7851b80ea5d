import asyncio

from partition_svc.log.transfer.copy_markers import CopyMarkers
from partition_svc.store.keys import CopyMarker, head_key, log_key
from tests.support.stores.failing_stores import CancelledChore
from tests.support.stores.partition_core import LOG, running_core

MARKER = CopyMarker(7, 3)


def with_markers(tmp_path, test):
    async def main():
        async with asyncio.timeout(60), running_core(tmp_path) as core:
            await test(CopyMarkers(core._committer, core._store), core)

    asyncio.run(main())


def test_a_marker_is_read_again_until_it_is_deleted(tmp_path):
    async def test(markers, core):
        await markers.put(LOG, MARKER)
        assert markers.by_log == {LOG: MARKER}
        assert CopyMarkers(core._committer, core._store).by_log == {LOG: MARKER}
        await markers.delete(LOG)
        assert markers.by_log == {}
        assert CopyMarkers(core._committer, core._store).by_log == {}

    with_markers(tmp_path, test)


def test_reload_drops_markers_that_the_store_does_not_have(tmp_path):
    async def test(markers, _):
        markers.by_log[LOG] = MARKER
        markers.reload()
        assert markers.by_log == {}

    with_markers(tmp_path, test)


def test_marker_of_a_log_with_batches_of_a_later_epoch_is_complete(tmp_path):
    async def test(markers, core):
        await markers.put(LOG, MARKER)
        key = log_key(*LOG)
        changes = core._store.new_write()
        changes.put(head_key(key), core._store.head(key)._replace(leader_epoch=4).pack())
        core._store.write(changes, 0)
        markers.reload()
        assert markers.by_log[LOG].is_whole

    with_markers(tmp_path, test)


def test_memory_changes_with_the_write_even_if_the_caller_is_cancelled(tmp_path, monkeypatch):
    async def test(markers, core):
        CancelledChore(core._committer, monkeypatch, number=0, when="run")
        putting = asyncio.ensure_future(markers.put(LOG, MARKER))
        await asyncio.wait([putting])
        assert putting.cancelled()
        assert CopyMarkers(core._committer, core._store).by_log == {LOG: MARKER}
        assert markers.by_log == {LOG: MARKER}

    with_markers(tmp_path, test)
