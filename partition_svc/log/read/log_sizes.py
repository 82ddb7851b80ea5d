"""Sizes of logs in bytes: of all logs as stored, of open logs as they are now."""

import asyncio
from typing import Final

from common.ports.partitions import LogId
from partition_svc.log.commit.recovery import Recovery
from partition_svc.log.registry import LogRegistry
from partition_svc.store.keys import HEADS, LogHead, log_id
from partition_svc.store.log_store import LogStore

_ROWS_BYTES: Final = 32 << 10


class LogSizes:
    """Sizes of the logs that this member owns."""

    def __init__(self, registry: LogRegistry, recovery: Recovery, store: LogStore) -> None:
        self._registry = registry
        self._recovery = recovery
        self._store = store

    def open_logs(self) -> dict[LogId, int]:
        """Returns the sizes of open logs; only these can change."""
        return {log.id: log.head.size_bytes for log in self._registry.logs.values()}

    async def all_logs(self) -> dict[LogId, int]:
        """Returns the size of every log that has batches; reads it in small steps.

        Raises:
            StorageFailed
        """
        sizes: dict[LogId, int] = {}
        start, end = HEADS, HEADS + b"\xff" * 21
        is_all = False
        while not is_all:
            await self._recovery.until_readable()
            found, is_all = self._store.reader.some_rows(start, end, _ROWS_BYTES)
            for key, row in found:
                log = LogId(*log_id(key[1:]))
                if self._registry.owns(log):
                    sizes[log] = LogHead.unpack(row).size_bytes
                start = key + b"\0"
            await asyncio.sleep(0)
        return sizes
