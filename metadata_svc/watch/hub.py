"""Queues of changes for watchers, and waiting for their acknowledgements.

Knows neither the identity of watchers nor the transport. A watcher that falls too far behind
loses its queue and gets a snapshot in place of it, so a slow one costs a bounded amount of memory.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange

log = logging.getLogger(__name__)

#: Changes waiting for one watcher. Changes are shared, so each costs a watcher one pointer.
QUEUE_LENGTH_MAX = 1_000


class WatchEnded(Exception):
    """Raised when a watcher was ended; the text is the reason."""


class Watcher:
    """One watcher's queue. It begins with a snapshot."""

    def __init__(
        self, name: str, snapshot: Callable[[], ClusterChange], *, queue_length_max: int
    ) -> None:
        self.name = name
        self.acknowledged = -1
        self._snapshot = snapshot
        self._queue_length_max = queue_length_max
        self._queue: deque[ClusterChange] = deque()
        self._is_snapshot_due = True
        self._handed_out = -1
        self._ended: str | None = None
        self._changed = asyncio.Event()

    async def next(self) -> ClusterChange:
        """The next change; waits for it. Raises `WatchEnded` once the watcher was ended."""
        while not self._is_ready():
            self._changed.clear()
            await self._changed.wait()
        if self._ended is not None:
            raise WatchEnded(self._ended)
        change = self._take()
        self._handed_out = change.revision
        return change

    def put(self, change: ClusterChange) -> None:
        """Queues a change that the view already holds."""
        if not self._is_snapshot_due:
            self._queue.append(change)
            if len(self._queue) > self._queue_length_max:
                log.info("%s is %d changes behind: sending a snapshot", self.name, len(self._queue))
                self._queue.clear()
                self._is_snapshot_due = True
        self._changed.set()

    def on_acknowledged(self, revision: int) -> None:
        """Acknowledged revisions only grow, up to the newest that was handed out."""
        self.acknowledged = max(self.acknowledged, min(revision, self._handed_out))

    def end(self, reason: str) -> None:
        """The first reason stays."""
        if self._ended is None:
            self._ended = reason
        self._queue.clear()
        self._changed.set()

    def _is_ready(self) -> bool:
        return self._ended is not None or self._is_snapshot_due or bool(self._queue)

    def _take(self) -> ClusterChange:
        if not self._is_snapshot_due:
            return self._queue.popleft()
        # Made as late as this, so that it holds all that would have been queued meanwhile.
        self._is_snapshot_due = False
        return self._snapshot()


@dataclass(eq=False, slots=True)
class _Wait:
    """A caller that waits until `missing` have acknowledged `revision`."""

    revision: int
    missing: set[Watcher]
    done: asyncio.Event

    def discard(self, watcher: Watcher) -> None:
        self.missing.discard(watcher)
        if not self.missing:
            self.done.set()


class WatchHub:
    """All watchers, and the calls that wait for their acknowledgements."""

    def __init__(self, view: ClusterView, *, queue_length_max: int = QUEUE_LENGTH_MAX) -> None:
        self._view = view
        self._snapshot: ClusterChange | None = None
        self._queue_length_max = queue_length_max
        self._watchers: set[Watcher] = set()
        self._waits: set[_Wait] = set()
        self._stop_reason: str | None = None

    def add(self, name: str) -> Watcher:
        """A new watcher; `name` is for log lines."""
        watcher = Watcher(name, self.snapshot, queue_length_max=self._queue_length_max)
        if self._stop_reason is None:
            self._watchers.add(watcher)
        else:
            watcher.end(self._stop_reason)
        return watcher

    def snapshot(self) -> ClusterChange:
        """Returns the whole cluster; the same object for all callers at one revision."""
        if self._snapshot is None or self._snapshot.revision != self._view.revision:
            self._snapshot = self._view.snapshot()
        return self._snapshot

    def remove(self, watcher: Watcher, reason: str) -> None:
        """Ends a watcher, and every wait for its acknowledgement."""
        self._watchers.discard(watcher)
        watcher.end(reason)
        for wait in self._waits:
            wait.discard(watcher)

    def stop(self, reason: str) -> None:
        """Ends all watchers, and any that come later.

        What they had not acknowledged counts as not acknowledged.
        """
        self._stop_reason = reason
        for watcher in tuple(self._watchers):
            self.remove(watcher, reason)

    def publish(self, change: ClusterChange) -> None:
        """Hands a change that the view already holds to every watcher."""
        for watcher in self._watchers:
            watcher.put(change)

    def acknowledge(self, watcher: Watcher, revision: int) -> None:
        watcher.on_acknowledged(revision)
        for wait in self._waits:
            if watcher.acknowledged >= wait.revision:
                wait.discard(watcher)

    async def wait_all_acknowledged(self, revision: int, *, deadline: float) -> bool:
        """True if every watcher of now has applied `revision`, or left, by `deadline`.

        `deadline` is in loop time.
        """
        missing = {watcher for watcher in self._watchers if watcher.acknowledged < revision}
        if not missing:
            return self._stop_reason is None
        wait = _Wait(revision, missing, asyncio.Event())
        self._waits.add(wait)
        try:
            async with asyncio.timeout_at(deadline):
                await wait.done.wait()
        except TimeoutError:
            names = ", ".join(sorted(watcher.name for watcher in missing))
            log.warning("revision %d is not yet applied by %s", revision, names)
            return False
        finally:
            self._waits.discard(wait)
        return self._stop_reason is None
