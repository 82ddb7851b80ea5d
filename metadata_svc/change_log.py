"""Changes of the cluster: decided one at a time, written with a revision, then published.

The store blocks, so it has a thread of its own; and because a change is decided on what the one
before it left, changes run one at a time. Nothing is published before it is durable.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from common.cluster.view import ClusterView
from common.ports.unavailable import BackendUnavailable
from common.runtime.failpoints import reach
from metadata_svc.state.member_table import MemberTable
from metadata_svc.state.mutation import Mutation
from metadata_svc.state.store import State, StateStore
from metadata_svc.watch.hub import WatchHub

T = TypeVar("T")


class ChangeLog:
    """The store, and the view, the member table and the watchers that follow it."""

    def __init__(
        self, store: StateStore, view: ClusterView, member_table: MemberTable, hub: WatchHub
    ) -> None:
        self._store = store
        self._view = view
        self._member_table = member_table
        self._hub = hub
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="metadata-store")
        self._lock = asyncio.Lock()
        self._running: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    async def load(self) -> State:
        """Returns the stored state. Raises `KvStoreFailed`."""
        return await self._on_disk(self._store.load)

    async def run_exclusive(self, work: Callable[[], Awaitable[T]]) -> T:
        """Runs `work` while no other runs, to its end even where the caller is cancelled.

        Raises:
            BackendUnavailable: the service is stopping.
        """
        if self._is_closed:
            raise BackendUnavailable("the metadata service is stopping")
        task = asyncio.create_task(self._run(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def commit(self, mutation: Mutation, *, step: str | None = None) -> int:
        """Stores a change, applies and publishes it; returns its revision.

        `step` names it for tests that kill the process before or after the write. Only for use
        inside `run_exclusive`. Raises `KvStoreFailed`: no watcher was notified, and only the next
        start shows whether the change was kept.
        """
        revision = max(self._view.revision, mutation.revision_min) + 1
        save = functools.partial(self._store.save_change, revision, mutation)
        if step is None:
            await self._on_disk(save)
        else:
            await reach(f"{step}.before")
            await self._on_disk(save)
            await reach(f"{step}.after")
        change = mutation.as_change(revision=revision, cluster_id=self._view.cluster_id)
        self._member_table.apply(mutation, self._view)
        self._view.apply(change)
        self._hub.publish(change)
        return revision

    async def save_next_producer_id(self, producer_id: int) -> None:
        """Only for use inside `run_exclusive`. Raises `KvStoreFailed`."""
        await self._on_disk(functools.partial(self._store.save_next_producer_id, producer_id))

    async def save_volume_token(self, name: str, token: str) -> None:
        """Stores the token of a member's volume. It is not published, so it has no revision.

        Only for use inside `run_exclusive`. Raises `KvStoreFailed`.
        """
        await self._on_disk(functools.partial(self._store.save_volume_token, name, token))
        self._member_table.volume_tokens[name] = token

    async def close(self) -> None:
        """Lets running changes end, then closes the store. Closing again does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._on_disk(self._store.close)
        self._disk.shutdown()

    async def _run(self, work: Callable[[], Awaitable[T]]) -> T:
        async with self._lock:
            return await work()

    async def _on_disk(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, call)
