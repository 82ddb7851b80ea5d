"""ListOffsets: the offset for a timestamp.

The time index gives a start offset, batch headers the batch, and only the records of that batch
are searched, in a thread if it is large. A header may state a timestamp that no record has, so the
number of records that one query searches is limited.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from common.ports.partitions import (
    EARLIEST_TIMESTAMP,
    LATEST_TIMESTAMP,
    MAX_TIMESTAMP,
    LogId,
    OffsetQuery,
    OffsetResult,
    Refusal,
)
from common.records.batch import NO_TIMESTAMP, parse_header
from common.records.errors import CorruptRecords, UnsupportedRecords
from common.records.search import first_at_or_after, latest
from common.runtime.cooperative import TimeSlice
from common.runtime.gil import yield_gil
from partition_svc.log.partition_log import PartitionLog
from partition_svc.log.validation.record_thread import RecordThread
from partition_svc.store.failures import StorageFailed
from partition_svc.store.log_store import LogStore
from partition_svc.store.reading import ReadLimits

_NOT_FOUND: Final = OffsetResult()
#: Limits of one read while the batch is searched for.
_STEP: Final = ReadLimits(bytes_max=64 << 10, pause_bytes=64 << 10, at_least_one=True)
#: Limit of records that are searched on the event loop, which takes half a millisecond.
_RECORDS_AT_ONCE: Final = 1000
#: Records that one query may search, before its last batch.
_BUDGET_RECORDS: Final = 1_000_000

T = TypeVar("T")


class OffsetLookup:
    """Answers offset queries from the store."""

    def __init__(self, find: Callable[[LogId], PartitionLog | Refusal], store: LogStore) -> None:
        self._find = find
        self._store = store
        self._thread = RecordThread("search")

    def close(self) -> None:
        self._thread.close()

    async def look_up_all(self, queries: Sequence[OffsetQuery]) -> list[OffsetResult]:
        time_slice = TimeSlice()
        results = []
        for query in queries:
            results.append(await self.look_up(query))
            await time_slice.checkpoint()
        return results

    async def look_up(self, query: OffsetQuery) -> OffsetResult:
        try:
            log = self._find(query.log)
            if isinstance(log, Refusal):
                return OffsetResult(refusal=log)
            refusal = log.epoch_refusal(query.leader_epoch)
            if refusal is not None:
                return OffsetResult(refusal=refusal, leader_epoch=log.leader_epoch)
            return await self._look_up(log, query.timestamp)
        except StorageFailed:
            return OffsetResult(refusal=Refusal.KAFKA_STORAGE_ERROR)
        except (CorruptRecords, UnsupportedRecords):
            return OffsetResult(refusal=Refusal.CORRUPT_MESSAGE)

    async def _look_up(self, log: PartitionLog, timestamp: int) -> OffsetResult:
        if timestamp == LATEST_TIMESTAMP:
            return OffsetResult(log.high_watermark, leader_epoch=log.leader_epoch)
        if timestamp == EARLIEST_TIMESTAMP:
            return OffsetResult(log.log_start_offset, leader_epoch=log.leader_epoch)
        if timestamp == MAX_TIMESTAMP:
            return await self._with_max_timestamp(log)
        if timestamp < 0:
            return OffsetResult(refusal=Refusal.UNSUPPORTED_TIMESTAMP)
        return await self._at_or_after(log, timestamp)

    async def _with_max_timestamp(self, log: PartitionLog) -> OffsetResult:
        """Returns the record with the largest timestamp, once its batch is readable."""
        head = log.head
        if not 0 <= head.max_timestamp_offset < log.high_watermark:
            return _NOT_FOUND
        batches = self._read(log, head.max_timestamp_offset)
        if head.max_timestamp_offset < self._store.reader.compacted_to(log.key):
            batches = await self._find_max_timestamp(log, batches, head.max_timestamp)
        if not batches:
            return _NOT_FOUND
        found = await self._search(batches[0], latest)
        return OffsetResult(found.offset, found.timestamp, parse_header(batches[0]).leader_epoch)

    async def _find_max_timestamp(
        self, log: PartitionLog, batches: list[bytes], max_timestamp: int
    ) -> list[bytes]:
        """Returns the batch with the largest timestamp after a compaction.

        Compaction may have removed the batch that had it. No index has the next largest timestamp,
        so this reads every batch header of the log.
        """
        if batches and parse_header(batches[0]).max_timestamp == max_timestamp:
            return batches[:1]
        found: list[bytes] = []
        largest, offset = NO_TIMESTAMP, log.log_start_offset
        while batches := self._read(log, offset):
            for batch in batches:
                header = parse_header(batch)
                if header.max_timestamp > largest:
                    largest, found = header.max_timestamp, [batch]
                offset = header.last_offset + 1
            await asyncio.sleep(0)
        return found

    async def _at_or_after(self, log: PartitionLog, timestamp: int) -> OffsetResult:
        """Returns the first record with this timestamp or a later one."""
        if log.head.max_timestamp < timestamp:
            return _NOT_FOUND
        before = self._store.reader.offset_before_time(log.key, timestamp)
        offset = max(before + 1, log.log_start_offset)
        budget = _BUDGET_RECORDS
        search = partial(first_at_or_after, timestamp=timestamp)
        while batches := self._read(log, offset):
            for batch in batches:
                header = parse_header(batch)
                offset = header.last_offset + 1
                if header.max_timestamp < timestamp:
                    continue
                if budget <= 0:
                    # The record is here or later, so a consumer that starts here misses none.
                    return OffsetResult(
                        header.base_offset, header.max_timestamp, header.leader_epoch
                    )
                budget -= header.record_count
                found = await self._search(batch, search)
                if found is not None:
                    return OffsetResult(found.offset, found.timestamp, header.leader_epoch)
            await asyncio.sleep(0)
        return _NOT_FOUND

    async def _search(self, batch: bytes, search: Callable[..., T]) -> T:
        header = parse_header(batch)
        # A compressed batch may be large with few records.
        if not header.codec and header.record_count <= _RECORDS_AT_ONCE:
            return search(batch)
        return await self._thread.run(partial(search, batch, pause=yield_gil))

    def _read(self, log: PartitionLog, offset: int) -> list[bytes]:
        """Reads some batches from `offset` on, up to the high watermark."""
        return self._store.reader.read(log.key, offset, log.high_watermark, _STEP).batches
