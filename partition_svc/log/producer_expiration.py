"""Expiration of idempotent producers that are idle, or that exceed the limit of a log.

A pass reads the rows of all producers in key order, a few hundred in one iteration of the event
loop, and deletes in exclusive tasks of the committer. It keeps in memory only how many producers of
one log appended last in each minute.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from time import time
from typing import Final, NamedTuple

from common.ports.partitions import LogId
from partition_svc.log.commit.committer import Committer
from partition_svc.log.commit.recovery import Recovery
from partition_svc.log.producers import ProducerStates, row_seen_ms
from partition_svc.log.registry import LogRegistry
from partition_svc.store.failures import StorageFailed
from partition_svc.store.keys import (
    LOG_KEY_BYTES,
    PRODUCERS,
    log_id,
    numbered,
    producer_key,
    range_of,
)
from partition_svc.store.log_store import LogStore

#: About 200 rows, which take 0.3 ms to read and 2 ms to delete.
_PIECE_BYTES: Final = 16 << 10
_MINUTE_MS: Final = 60_000
#: A producer that appended within this time may have requests in flight and does not expire.
_ACTIVE_MS: Final = 2 * _MINUTE_MS
#: A pass begins early if the producers added since the last one exceed the limit divided by this.
_EARLY_PASS_DIVISOR: Final = 4

_Row = tuple[bytes, bytes]


class _Cutoff(NamedTuple):
    """Expires last appends before `before_ms`, and `more` of those within `minute`."""

    before_ms: int
    minute: int
    more: int


class ProducerExpiration:
    """Expires producers of all logs that this member serves. All methods raise `StorageFailed`."""

    def __init__(  # noqa: PLR0913 - its parts, each named by its caller
        self,
        registry: LogRegistry,
        committer: Committer,
        recovery: Recovery,
        store: LogStore,
        *,
        expiration_ms: int,
        ids_max: int,
    ) -> None:
        """A log remembers at most `ids_max` producers, those with the newest appends."""
        self._registry = registry
        self._committer = committer
        self._recovery = recovery
        self._store = store
        self._expiration_ms = expiration_ms
        self._ids_max = ids_max

    @property
    def is_due(self) -> bool:
        """True if a log may have far more producers than its limit."""
        many = self._ids_max // _EARLY_PASS_DIVISOR
        return any(producers.added > many for producers in self._loaded())

    async def run_pass(self) -> None:
        """Expires producers of every log once."""
        now_ms = int(time() * 1000)
        for producers in list(self._loaded()):
            producers.added = 0
            # The cache is for active producers; the store has the others.
            producers.evict(now_ms - _ACTIVE_MS)
            await asyncio.sleep(0)
        log_key = b""
        while log_key := await self._log_after(log_key):
            if self._registry.serves(LogId(*log_id(log_key))):
                try:
                    await self._expire(log_key, now_ms)
                except StorageFailed:
                    # Unreadable rows of one log must not end the pass over the others.
                    if self._committer.failure is not None:
                        raise

    async def count(self, log_key: bytes) -> int:
        """Returns the number of producers that a log has stored."""
        return sum([len(rows) async for rows in self._rows(log_key)])

    def _loaded(self) -> Iterator[ProducerStates]:
        """Yields the cached producers of each open log that has some."""
        for log in self._registry.logs.values():
            if (producers := log.loaded_producers) is not None:
                yield producers

    async def _log_after(self, log_key: bytes) -> bytes:
        """Returns the key of the next log that has producers, after `log_key`; b"" at the end."""
        await self._recovery.until_readable()
        start = PRODUCERS + log_key + b"\xff" * 17 if log_key else PRODUCERS
        end = PRODUCERS + b"\xff" * 40
        found, _ = self._store.reader.some_rows(start, end, 1)
        return found[0][0][1 : 1 + LOG_KEY_BYTES] if found else b""

    async def _expire(self, log_key: bytes, now_ms: int) -> None:
        minutes: Counter[int] = Counter()
        async for rows in self._rows(log_key):
            minutes.update(row_seen_ms(row) // _MINUTE_MS for _, row in rows)
        cutoff = self._cutoff(minutes, now_ms)
        if min(minutes, default=cutoff.minute) > cutoff.minute:
            return
        more = cutoff.more
        async for rows in self._rows(log_key):
            expired: list[_Row] = []
            for row in rows:
                seen_ms = row_seen_ms(row[1])
                if seen_ms < cutoff.before_ms:
                    expired.append(row)
                elif more and seen_ms // _MINUTE_MS == cutoff.minute:
                    expired.append(row)
                    more -= 1
            if expired:
                await self._committer.run_exclusive(partial(self._delete, log_key, expired))

    def _cutoff(self, minutes: Counter[int], now_ms: int) -> _Cutoff:
        """Returns which producers have expired or exceed the limit."""
        expired_ms = now_ms - self._expiration_ms + 1
        too_many = minutes.total() - self._ids_max
        for minute in sorted(minutes):
            end_ms = (minute + 1) * _MINUTE_MS
            if too_many <= 0 or end_ms > now_ms - _ACTIVE_MS:
                break
            if too_many <= minutes[minute]:
                if expired_ms < end_ms:
                    return _Cutoff(max(expired_ms, end_ms - _MINUTE_MS), minute, too_many)
                break
            too_many -= minutes[minute]
            expired_ms = max(expired_ms, end_ms)
        return _Cutoff(expired_ms, expired_ms // _MINUTE_MS, 0)

    def _delete(self, log_key: bytes, expired: Sequence[_Row]) -> None:
        """Deletes producers, except those that have appended since their rows were read."""
        log = self._registry.logs.get(LogId(*log_id(log_key)))
        changes = self._store.new_write()
        for key, row in expired:
            producer_id = numbered(key)
            if log is not None and log.producers.last_seen_ms(producer_id) > row_seen_ms(row):
                continue
            if self._store.reader.row(key) == row:
                changes.delete(producer_key(log_key, producer_id))
                if log is not None:
                    log.producers.forget(producer_id)
        self._store.write(changes, 0)

    async def _rows(self, log_key: bytes) -> AsyncIterator[list[_Row]]:
        """Yields the rows of a log's producers, some in each iteration of the event loop."""
        start, end = range_of(PRODUCERS, log_key)
        is_all = False
        while not is_all:
            await asyncio.sleep(0)
            await self._recovery.until_readable()
            found, is_all = self._store.reader.some_rows(start, end, _PIECE_BYTES)
            if found:
                start = found[-1][0] + b"\0"
                yield found
