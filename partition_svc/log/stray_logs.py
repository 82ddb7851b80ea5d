"""Stray logs: stored here, but neither placed here nor known to be deleted or moved.

A metadata service that was restored from an older backup does not know newer topics, nor later
moves. So stray logs are reported and kept; they are deleted only after a delay, if an operator
has set one.
"""

import asyncio
import logging

from partition_svc.log.registry import LogRegistry
from partition_svc.store.keys import log_id
from partition_svc.store.log_store import LogStore

log = logging.getLogger(__name__)


class StrayLogs:
    """The stray logs of one member, with the time since each is stray."""

    def __init__(self, registry: LogRegistry, store: LogStore, *, delay_ms: int) -> None:
        """With `delay_ms` -1 no log is ever due."""
        self._registry = registry
        self._store = store
        self._delay_s = delay_ms / 1000 if delay_ms >= 0 else None
        self._since: dict[bytes, float] = {}

    @property
    def next_time(self) -> float | None:
        """The time when the next log is due, in loop time; None if none will be."""
        if self._delay_s is None or not self._since:
            return None
        return min(self._since.values()) + self._delay_s

    def due(self) -> list[bytes]:
        """Scans the store and returns the keys of the stray logs that are due for deletion."""
        now = asyncio.get_running_loop().time()
        sizes = {
            key: head.size_bytes
            for key, head in self._store.reader.heads()
            if self._registry.is_stray(key)
        }
        new = sizes.keys() - self._since.keys()
        if new:
            self._report(sizes)
        self._since = {key: self._since.get(key, now) for key in sizes}
        delay_s = self._delay_s
        if delay_s is None:
            return []
        due = [key for key, since in self._since.items() if since + delay_s <= now]
        for key in due:
            del self._since[key]
        return due

    def _report(self, sizes: dict[bytes, int]) -> None:
        topic_id, partition = log_id(next(iter(sizes)))
        fate = (
            "keeps them; log.stray.delete.delay.ms deletes them"
            if self._delay_s is None
            else f"deletes them in {self._delay_s:g} s"
        )
        log.warning(
            "this member holds %d stray logs (%d bytes) that the metadata service neither places "
            "here nor knows as deleted or moved, for instance topic id %s partition %d: %s",
            len(sizes),
            sum(sizes.values()),
            topic_id.hex(),
            partition,
            fate,
        )
