"""Stores whose syncs wait until a test lets them go, and stores that break."""

import threading

from partition_svc.store.failures import StorageFailed


class Syncs:
    """Syncs of a store that wait to be let through, each in its thread."""

    def __init__(self, store, monkeypatch):
        self.count = 0
        self._may_go = threading.Event()
        self._sync = store.sync
        monkeypatch.setattr(store, "sync", self._hold)

    def let_go(self):
        self._may_go.set()

    def _hold(self):
        self.count += 1
        assert self._may_go.wait(60)
        self._sync()


def fail(*_):
    """In place of a method of a store."""
    raise StorageFailed("broken")
