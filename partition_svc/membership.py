"""A partition service as a member: registered, told of changes, moving logs, reporting."""

import asyncio
from collections.abc import Awaitable, Callable

from common.following import follow
from common.ports.metadata import ClusterChange, Member, Metadata
from common.ports.moves import Ring
from partition_svc.core import PartitionCore
from partition_svc.moving.mover import Mover
from partition_svc.moving.peers import Peers
from partition_svc.reporting import Reporter

#: Called with each change once the core has it; the change counts as applied after that.
OnApplied = Callable[[ClusterChange], Awaitable[None]]


async def live(  # noqa: PLR0913 - what a member is made of, each named by its caller
    core: PartitionCore,
    member: Member,
    metadata: Metadata,
    ring: Ring,
    *,
    move_bytes_per_second: int,
    on_applied: OnApplied,
) -> None:
    """Runs until it is cancelled.

    Raises:
        WrongCluster: the metadata service is another cluster's than the data here.
        RegistrationRefused: the name is another volume's or process's.
    """
    peers = Peers(core.view)
    mover = Mover(core, ring, peers, member=member.name, bytes_per_second=move_bytes_per_second)
    reporter = Reporter(core.sizes, lambda: mover.progress, core.disk_state)

    async def apply(change: ClusterChange) -> None:
        core.apply(change)
        mover.on_change()
        await on_applied(change)

    following = follow(metadata, member, apply, on_watch=reporter.on_watch)
    parts = (following, core.until_broken(), mover.run(), reporter.run())
    tasks: list[asyncio.Future[None]] = [asyncio.ensure_future(part) for part in parts]
    try:
        # None of them ends by itself, save with what makes it pointless to go on.
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await peers.close()
