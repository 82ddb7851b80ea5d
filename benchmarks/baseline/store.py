"""Logs of the baseline: RocksDB and group commit as in ringlog, and nothing else.

No placement, no epochs, no idempotence, no time index, no limits, no recovery from errors: what the
design could give if it had no features. Each run compares ringlog with it.
"""

import asyncio
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from crc32c import crc32c
from rocksdict import DBCompressionType, Options, Rdict, ReadOptions, WriteBatch

#: A topic's name and a partition of it.
Log = tuple[bytes, int]

_HEADER = struct.Struct(">qiibIhi")  # base offset … CRC, attributes, last offset delta
_PLACE = struct.Struct(">qii")
_CRC_START, _MAGIC_AT = 21, 16
_KEY = struct.Struct(">Iq")
_MEMTABLE_BYTES = 64 << 20


class Staged(NamedTuple):
    log: Log
    key: bytes
    batch: bytes
    base_offset: int
    must_sync: bool
    stored: "asyncio.Future[int]"


class BaselineStore:
    def __init__(self, path: Path) -> None:
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_compression_type(DBCompressionType.none())
        options.set_write_buffer_size(_MEMTABLE_BYTES)
        options.set_max_write_buffer_number(8)
        options.set_bytes_per_sync(1 << 20)
        self._db = Rdict(str(path), options)
        self._ids: dict[Log, int] = {}
        self._next: dict[Log, int] = {}
        self.high_watermarks: dict[Log, int] = {}
        self._queue: list[Staged] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._is_committing = False
        self._thread = ThreadPoolExecutor(1)
        self._loop = asyncio.get_running_loop()

    def append(
        self, log: Log, batch: bytes | memoryview, *, must_sync: bool
    ) -> asyncio.Future[int]:
        """The base offset, once the batch is stored. Raises `ValueError`: it is damaged."""
        _, _, _, _, crc, _, last_delta = _HEADER.unpack_from(batch)
        if crc32c(memoryview(batch)[_CRC_START:]) != crc:
            raise ValueError("CRC")
        base_offset = self._next.get(log, 0)
        next_offset = self._next[log] = base_offset + last_delta + 1
        number = self._ids.setdefault(log, len(self._ids))
        placed = _PLACE.pack(base_offset, len(batch) - 12, 0) + memoryview(batch)[_MAGIC_AT:]
        stored: asyncio.Future[int] = self._loop.create_future()
        key = _KEY.pack(number, next_offset - 1)
        self._queue.append(Staged(log, key, placed, base_offset, must_sync, stored))
        if not self._is_committing:
            self._is_committing = True
            self._loop.call_soon(self._commit)
        return stored

    def read(self, log: Log, offset: int, bytes_max: int) -> list[bytes]:
        """Returns complete batches from the one with `offset`; the first may have any size."""
        end, size = self.high_watermarks.get(log, 0), 0
        found: list[bytes] = []
        for batch in self._from(log, offset) if offset < end else ():
            if found and size + len(batch) > bytes_max:
                break
            found.append(batch)
            size += len(batch)
            if size >= bytes_max or _last_offset(batch) + 1 >= end:
                break
        return found

    async def grown(self, max_wait_ms: int) -> None:
        """Waits until anything is appended."""
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        await asyncio.wait([waiter], timeout=max_wait_ms / 1000)

    def close(self) -> None:
        self._db.close()

    def _from(self, log: Log, offset: int) -> Iterator[bytes]:
        number = self._ids[log]
        options = ReadOptions()
        options.set_iterate_upper_bound(_KEY.pack(number + 1, 0))
        entries = self._db.iter(options)
        entries.seek(_KEY.pack(number, offset))
        while entries.valid():
            yield entries.value()
            entries.next()

    def _commit(self) -> None:
        group, self._queue = self._queue, []
        changes = WriteBatch(raw_mode=True)
        for append in group:
            changes.put(append.key, append.batch)
        self._db.write(changes)
        if any(append.must_sync for append in group):
            synced = self._loop.run_in_executor(self._thread, self._db.flush_wal, True)
            synced.add_done_callback(lambda _: self._committed(group))
        else:
            self._committed(group)

    def _committed(self, group: list[Staged]) -> None:
        for append in group:
            self.high_watermarks[append.log] = _last_offset(append.batch) + 1
            if not append.stored.done():
                append.stored.set_result(append.base_offset)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._is_committing = bool(self._queue)
        if self._queue:
            self._loop.call_soon(self._commit)


def _last_offset(batch: bytes) -> int:
    base_offset, *_, last_delta = _HEADER.unpack_from(batch)
    return int(base_offset + last_delta)
