"""A partition service as a member: registration, cluster changes, moves, reports."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, NoReturn

from common.cluster.follow import follow
from common.ports.metadata import ClusterChange, Member, Metadata, Watch
from common.ports.moves import Ring
from common.ports.unavailable import BackendUnavailable
from partition_svc.load_reports import Reporter
from partition_svc.moves.runner import MoveRunner
from partition_svc.moves.source_connection import SourceConnection, SourceConnections
from partition_svc.partitions import LocalPartitions
from partition_svc.store.failures import StorageFailed

log = logging.getLogger(__name__)

#: Called after the logs have applied a change; the change is acknowledged when it returns.
OnApplied = Callable[[ClusterChange], Awaitable[None]]


async def run_member(  # noqa: PLR0913 - collaborators, passed by name
    core: LocalPartitions,
    member: Member,
    metadata: Metadata,
    ring: Ring,
    *,
    move_bytes_per_second: int,
    volume_token_interval_ms: int,
    move_kept_s: float,
    on_applied: OnApplied,
) -> None:
    """Runs a registered member until it is cancelled.

    Raises:
        WrongCluster: the metadata service is another cluster's than the data here.
        MetadataBehind: it was restored from an older backup.
        RegistrationRefused: the name is another volume's or process's.
    """
    sources = SourceConnections(core.view, SourceConnection)
    runner = MoveRunner(
        core,
        ring,
        sources,
        member=member.name,
        bytes_per_second=move_bytes_per_second,
        kept_s=move_kept_s,
    )
    reporter = Reporter(core.sizes, lambda: runner.progress, core.disk_state)

    async def apply(change: ClusterChange) -> None:
        core.apply(change)
        runner.on_change()
        await on_applied(change)

    try:
        await _run_until_one_fails(
            _follow(core, member, metadata, apply, on_watch=reporter.on_watch),
            core.until_broken(),
            runner.run(),
            reporter.run(),
            _renew_tokens(core, metadata, interval_s=volume_token_interval_ms / 1000),
        )
    finally:
        await sources.close()


async def _follow(
    core: LocalPartitions,
    member: Member,
    metadata: Metadata,
    apply: OnApplied,
    *,
    on_watch: Callable[[Watch], None],
) -> None:
    """Registers the member and applies changes; registers again when the volume requires it."""
    current = _CurrentWatch()
    core.volume.registration_due.subscribe(current.close)

    def registration() -> Member:
        return replace(member, volume=core.volume.registration())

    def note_watch(watch: Watch) -> None:
        current.watch = watch
        on_watch(watch)

    await follow(metadata, registration, apply, on_watch=note_watch)


class _CurrentWatch:
    """The open watch, for closing it: the next one begins with a registration."""

    def __init__(self) -> None:
        self.watch: Watch | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        if self.watch is not None:
            task = asyncio.ensure_future(self.watch.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _run_until_one_fails(*parts: Coroutine[Any, Any, None]) -> None:
    """Runs all parts until one fails with an error, which is raised; the others are cancelled."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _renew_tokens(
    core: LocalPartitions, metadata: Metadata, *, interval_s: float
) -> NoReturn:
    async def record(token: str) -> None:
        await metadata.renew_volume_token(core.process, token)

    while True:
        await asyncio.sleep(interval_s)
        try:
            await core.volume.renew_token(record)
        except (BackendUnavailable, StorageFailed) as error:
            log.debug("cannot renew the volume token yet: %s", error)
