"""Forgets idempotent producers that fell silent, or that are too many, in small pieces.

A pass reads the rows of all producers in the order of their keys, some hundred in one turn of the
event loop, and deletes between the committer's groups. It keeps nothing in memory but how many
producers of one log appended in which minute.
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

#: Some 200 rows: a third of a millisecond to read, two to delete.
_PIECE_BYTES: Final = 16 << 10
_MINUTE_MS: Final = 60_000
#: A producer that appended so recently may have requests in flight; it is never forgotten.
_ACTIVE_MS: Final = 2 * _MINUTE_MS
#: Looked at early where so large a part of the limit is new since the last pass.
_NEW_PART: Final = 4

_Row = tuple[bytes, bytes]


class _Cut(NamedTuple):
    """Producers that appended last before `before_ms`, and `more` of those of that minute."""

    before_ms: int
    minute: int
    more: int


class ProducerExpiration:
    """Of all logs that this member serves, open or not. All methods raise `StorageFailed`."""

    def __init__(  # noqa: PLR0913 - what a pass works with
        self,
        registry: LogRegistry,
        committer: Committer,
        recovery: Recovery,
        store: LogStore,
        *,
        expiration_ms: int,
        ids_max: int,
    ) -> None:
        """`ids_max` for each log: beyond it those are forgotten that appended least recently."""
        self._registry = registry
        self._committer = committer
        self._recovery = recovery
        self._store = store
        self._expiration_ms = expiration_ms
        self._ids_max = ids_max

    @property
    def is_due(self) -> bool:
        """Whether a log may have far more producers than it may remember."""
        many = self._ids_max // _NEW_PART
        return any(producers.added > many for producers in self._in_use())

    async def run_pass(self) -> None:
        """Looks at all producers once."""
        now_ms = int(time() * 1000)
        for producers in list(self._in_use()):
            producers.added = 0
            # Memory is for those that append; the store has the others.
            producers.evict(now_ms - _ACTIVE_MS)
            await asyncio.sleep(0)
        log_key = b""
        while log_key := await self._log_after(log_key):
            if self._registry.serves(LogId(*log_id(log_key))):
                try:
                    await self._expire(log_key, now_ms)
                except StorageFailed:
                    # Rows of one log that cannot be read are no matter of the others.
                    if self._committer.failure is not None:
                        raise

    async def count(self, log_key: bytes) -> int:
        """How many producers a log remembers."""
        return sum([len(rows) async for rows in self._rows(log_key)])

    def _in_use(self) -> Iterator[ProducerStates]:
        """Of logs to which idempotent producers have appended since they were opened."""
        for log in self._registry.logs.values():
            if (producers := log.loaded_producers) is not None:
                yield producers

    async def _log_after(self, log_key: bytes) -> bytes:
        """The next log that has producers, after `log_key`; b"" at the end."""
        await self._recovery.until_readable()
        start = PRODUCERS + log_key + b"\xff" * 17 if log_key else PRODUCERS
        end = PRODUCERS + b"\xff" * 40
        found, _ = self._store.reader.some_rows(start, end, 1)
        return found[0][0][1 : 1 + LOG_KEY_BYTES] if found else b""

    async def _expire(self, log_key: bytes, now_ms: int) -> None:
        minutes: Counter[int] = Counter()
        async for rows in self._rows(log_key):
            minutes.update(row_seen_ms(row) // _MINUTE_MS for _, row in rows)
        cut = self._cut(minutes, now_ms)
        if min(minutes, default=cut.minute) > cut.minute:
            return
        more = cut.more
        async for rows in self._rows(log_key):
            silent: list[_Row] = []
            for row in rows:
                seen_ms = row_seen_ms(row[1])
                if seen_ms < cut.before_ms:
                    silent.append(row)
                elif more and seen_ms // _MINUTE_MS == cut.minute:
                    silent.append(row)
                    more -= 1
            if silent:
                await self._committer.run_exclusive(partial(self._delete, log_key, silent))

    def _cut(self, minutes: Counter[int], now_ms: int) -> _Cut:
        """Which producers have expired, or are too many."""
        expired_ms = now_ms - self._expiration_ms + 1
        too_many = minutes.total() - self._ids_max
        for minute in sorted(minutes):
            end_ms = (minute + 1) * _MINUTE_MS
            if too_many <= 0 or end_ms > now_ms - _ACTIVE_MS:
                break
            if too_many <= minutes[minute]:
                if expired_ms < end_ms:
                    return _Cut(max(expired_ms, end_ms - _MINUTE_MS), minute, too_many)
                break
            too_many -= minutes[minute]
            expired_ms = max(expired_ms, end_ms)
        return _Cut(expired_ms, expired_ms // _MINUTE_MS, 0)

    def _delete(self, log_key: bytes, silent: Sequence[_Row]) -> None:
        """Forgets producers, save for those that have appended since their rows were read."""
        log = self._registry.logs.get(LogId(*log_id(log_key)))
        group = self._store.new_write()
        for key, row in silent:
            producer_id = numbered(key)
            if log is not None and log.producers.last_seen_ms(producer_id) > row_seen_ms(row):
                continue
            if self._store.reader.row(key) == row:
                group.delete(producer_key(log_key, producer_id))
                if log is not None:
                    log.producers.forget(producer_id)
        self._store.write(group, 0)

    async def _rows(self, log_key: bytes) -> AsyncIterator[list[_Row]]:
        """The rows of a log's producers, a piece in each turn of the loop."""
        start, end = range_of(PRODUCERS, log_key)
        is_all = False
        while not is_all:
            await asyncio.sleep(0)
            await self._recovery.until_readable()
            found, is_all = self._store.reader.some_rows(start, end, _PIECE_BYTES)
            if found:
                start = found[-1][0] + b"\0"
                yield found
