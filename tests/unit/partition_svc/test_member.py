import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from common.ports.metadata import Member
from common.ports.unavailable import RegistrationRefused
from partition_svc.member import run_member
from tests.support.moves.members import NotifyingRing
from tests.support.stores.partition_core import (
    CLUSTER_ID,
    MEMBER,
    append,
    batch,
    running_core,
    snapshot,
    topic,
    until,
)


class Metadata:
    """Metadata and its one watch, which yields `changes`, and then blocks or refuses."""

    def __init__(self, *changes, refuses=False):
        self._changes = list(changes)
        self._refuses = refuses
        self.acknowledged = []
        self.reports = []
        self.renewed = []
        self.closed = False

    def watch(self, member):
        self.member = member
        return self

    async def renew_volume_token(self, process, token):
        self.renewed.append((process, token))

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self._changes:
            return self._changes.pop(0)
        if self._refuses:
            raise RegistrationRefused("another volume")
        return await asyncio.get_running_loop().create_future()

    def acknowledge(self, revision):
        self.acknowledged.append(revision)

    def report(self, report):
        self.reports.append(report)

    async def close(self):
        self.closed = True


@asynccontextmanager
async def running_member(core, metadata, on_applied):
    task = asyncio.ensure_future(
        run_member(
            core,
            Member(MEMBER, "localhost:1", *core.identity[:3]),
            metadata,
            NotifyingRing(),
            move_bytes_per_second=0,
            volume_token_interval_ms=10,
            move_kept_s=0,
            on_applied=on_applied,
        )
    )
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, RegistrationRefused):
            await task


def run(test):
    async def within_limits():
        async with asyncio.timeout(60):
            await test()

    asyncio.run(within_limits())


def test_a_change_is_acknowledged_after_all_parts_applied_it(tmp_path):
    async def test():
        applied = asyncio.Event()

        async def on_applied(change):
            assert core.view.revision == change.revision == 7
            await applied.wait()

        async with running_core(tmp_path) as core:
            metadata = Metadata(snapshot(topic(), revision=7))
            async with running_member(core, metadata, on_applied):
                await append(core, batch())
                await until(lambda: core.view.revision == 7)
                assert metadata.acknowledged == []
                applied.set()
                await until(lambda: metadata.acknowledged == [7])
                assert metadata.member.incarnation == 1
                await until(lambda: metadata.reports)
                await until(lambda: metadata.renewed)
                process, token = metadata.renewed[0]
                assert process == core.process
                assert token not in metadata.member.volume.tokens

    run(test)


def test_lost_records_end_the_watch_for_a_new_registration(tmp_path):
    async def test():
        async def on_applied(_):
            pass

        async with running_core(tmp_path) as core:
            metadata = Metadata(snapshot(topic(), revision=7))
            async with running_member(core, metadata, on_applied):
                await until(lambda: metadata.acknowledged == [7])
                core.volume.on_records_lost()
                await until(lambda: metadata.closed)
                assert core.volume.registration().may_lack_records

    run(test)


def test_a_fatal_error_ends_all_parts_of_a_member(tmp_path):
    async def test():
        async def on_applied(_):
            pass

        async with running_core(tmp_path) as core:
            await append(core, batch())
            before = asyncio.all_tasks()
            async with running_member(core, Metadata(refuses=True), on_applied) as task:
                with pytest.raises(RegistrationRefused):
                    await task
            assert asyncio.all_tasks() <= before
            assert core.view.cluster_id == CLUSTER_ID
            (result,) = await append(core, batch())
            assert result.refusal is None

    run(test)
