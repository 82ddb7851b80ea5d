"""Stores whose syncs wait for a test or fail, and cancelled tasks."""

import asyncio
import threading
from collections.abc import Callable

from partition_svc.store.failures import StorageFailed


class Syncs:
    """Makes syncs of a store wait, each in its thread, until the test releases them."""

    def __init__(self, store, monkeypatch):
        self.count = 0
        self._may_go = threading.Event()
        self._sync = store.sync
        monkeypatch.setattr(store, "sync", self._hold)

    def release(self):
        self._may_go.set()

    def _hold(self):
        self.count += 1
        assert self._may_go.wait(60)
        self._sync()


def fail(*_):
    """Replaces a method of a store."""
    raise StorageFailed("broken")


class CancelledChore:
    """Cancels the task that queues exclusive task `number` of a committer.

    `when`: "queued" (before the exclusive task runs) or "run" (after it, before its caller
    resumes). `on_cancelled` is called at that moment.
    """

    def __init__(
        self,
        committer,
        monkeypatch,
        *,
        number: int,
        when: str,
        on_cancelled: Callable[[], None] = lambda: None,
    ):
        self.has_cancelled = False
        self._left = number
        self._when = when
        self._run_exclusive = committer.run_exclusive
        self._test = asyncio.current_task()
        self._on_cancelled = on_cancelled
        monkeypatch.setattr(committer, "run_exclusive", self._run_and_cancel)

    def _run_and_cancel(self, chore, *, must_sync=False):
        task = asyncio.current_task()
        # Ignores the task of the test itself, which for instance publishes changes.
        if task is self._test:
            return self._run_exclusive(chore, must_sync=must_sync)
        is_chosen, self._left = self._left == 0, self._left - 1
        if not is_chosen:
            return self._run_exclusive(chore, must_sync=must_sync)

        def run():
            chore()
            if self._when == "run":
                self._cancel(task)

        if self._when == "queued":
            self._cancel(task)
        return self._run_exclusive(run, must_sync=must_sync)

    def _cancel(self, task):
        self.has_cancelled = True
        task.cancel()
        self._on_cancelled()
