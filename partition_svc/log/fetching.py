"""Fetch: whole batches from the offset on, now or as soon as there are enough of them.

Rules of ReplicaManager.fetchMessages, readFromLog and DelayedFetch of Apache Kafka.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from common.ports.partitions import FetchPartition, FetchQuery, FetchResult, LogId, Refusal
from partition_svc.log.partition_log import PartitionLog
from partition_svc.log.recovery import Recovery
from partition_svc.log.waiters import FetchWaiter
from partition_svc.store.failures import StorageFailed
from partition_svc.store.log_store import LogStore
from partition_svc.store.reading import Limits, Run

#: After so much from the store the loop may do something else.
_PAUSE_BYTES: Final = 1 << 20

_NOTHING: Final = Limits(0, 0, one=False)

Find = Callable[[LogId], PartitionLog | Refusal]


class _Read(NamedTuple):
    """What one partition gave. `log` None: refused. `has_more`: limits cut the answer short."""

    result: FetchResult
    log: PartitionLog | None = None
    size_bytes: int = 0
    has_more: bool = False


class Fetching:
    """Answers fetch queries. `fetch_bytes_max` bounds any answer (Kafka's fetch.max.bytes)."""

    def __init__(
        self, find: Find, store: LogStore, recovery: Recovery, *, fetch_bytes_max: int
    ) -> None:
        self._find = find
        self._store = store
        self._recovery = recovery
        self._fetch_bytes_max = fetch_bytes_max
        self._is_draining = False

    def stop_waiting(self) -> None:
        """From now on queries are answered with what there is. Waiters must be woken after it."""
        self._is_draining = True

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        """One result for each partition asked for, in that order."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + query.max_wait_ms / 1000
        bytes_max = min(query.max_bytes, self._fetch_bytes_max)
        while True:
            reads = await self._read(query.partitions, bytes_max)
            lacking = min(query.min_bytes, bytes_max) - sum(read.size_bytes for read in reads)
            if lacking <= 0 or _must_answer(reads) or self._is_draining or not reads:
                break
            if deadline <= loop.time():
                break
            if not _has_grown(reads):
                await _wait(reads, query.partitions, lacking, deadline)
        results = [read.result for read in reads]
        if query.read_committed:
            for result in results:
                result.aborted = []
        return results

    async def _read(self, partitions: Sequence[FetchPartition], bytes_max: int) -> list[_Read]:
        """Reads partition by partition. The first batch found may exceed all limits (KIP-74)."""
        reads: list[_Read] = []
        seen: set[LogId] = set()
        left = bytes_max
        for asked in partitions:
            room = min(asked.max_bytes, left)
            limits = Limits(room, room, left == bytes_max)
            # A partition that is listed twice is served once.
            read = await self._read_one(asked, _NOTHING if asked.log in seen else limits)
            seen.add(asked.log)
            left -= read.size_bytes
            reads.append(read)
        return reads

    async def _read_one(self, asked: FetchPartition, limits: Limits) -> _Read:
        if not self._recovery.is_readable:
            await self._recovery.until_readable()
        try:
            log = self._find(asked.log)
            if isinstance(log, Refusal):
                return _Read(FetchResult(refusal=log))
            refusal = log.epoch_refusal(asked.leader_epoch) or _range_refusal(log, asked)
            if refusal is not None:
                return _Read(_result(log, [], refusal))
            return await self._batches(log, asked.fetch_offset, limits)
        except StorageFailed:
            return _Read(FetchResult(refusal=Refusal.STORAGE_ERROR))

    async def _batches(self, log: PartitionLog, offset: int, limits: Limits) -> _Read:
        """Reads up to the high watermark of this moment, from memory where it is there."""
        end = log.high_watermark
        result = _result(log, [])
        size = 0
        while offset < end and (size < limits.bytes_max or (limits.one and not size)):
            left = limits.bytes_max - size
            one = limits.one and not size
            run = log.tail.read(offset, end, Limits(left, left, one))
            if run is None:
                pause = min(left, _PAUSE_BYTES)
                run = await self._from_store(log, offset, end, Limits(left, pause, one))
            if not run.batches:
                break
            result.records += run.batches
            size += run.size_bytes
            offset = run.next_offset
        return _Read(result, log, size, has_more=offset < end)

    async def _from_store(self, log: PartitionLog, offset: int, end: int, limits: Limits) -> Run:
        """Not while the store is being opened again; and never long without letting others work."""
        if not self._recovery.is_readable:
            await self._recovery.until_readable()
        run = self._store.reader.read(log.key, offset, end, limits)
        if run.size_bytes >= _PAUSE_BYTES:
            await asyncio.sleep(0)
        return run


def _result(
    log: PartitionLog, records: list[bytes | memoryview], refusal: Refusal | None = None
) -> FetchResult:
    """Offsets are unknown (-1) to who is refused, save for the epoch (KIP-320)."""
    if refusal is not None:
        return FetchResult(refusal=refusal, leader_epoch=log.leader_epoch)
    end = log.high_watermark
    return FetchResult(records, end, end, log.log_start_offset, log.leader_epoch)


def _range_refusal(log: PartitionLog, asked: FetchPartition) -> Refusal | None:
    # Between high watermark and end of log there is nothing to see yet, which is no error.
    if log.log_start_offset <= asked.fetch_offset <= log.next_offset:
        return None
    return Refusal.OFFSET_OUT_OF_RANGE


def _must_answer(reads: Sequence[_Read]) -> bool:
    """Whether waiting is out of the question, or would bring nothing."""
    return any(read.result.refusal is not None or read.has_more for read in reads)


def _has_grown(reads: Sequence[_Read]) -> bool:
    """Whether a log has grown, or went away, since it was read: nobody would tell the waiter."""
    return any(
        read.log is not None
        and (read.log.high_watermark != read.result.high_watermark or read.log.gone is not None)
        for read in reads
    )


async def _wait(
    reads: Sequence[_Read], partitions: Sequence[FetchPartition], lacking: int, deadline: float
) -> None:
    """Until `lacking` more bytes came to the logs, one of them went away, or the time is up."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    rooms = [
        (read.log, max(0, asked.max_bytes - read.size_bytes))
        for read, asked in zip(reads, partitions, strict=True)
        if read.log is not None
    ]
    with FetchWaiter(future, rooms, lacking) as waiter:
        timer = loop.call_at(deadline, waiter.wake)
        try:
            await future
        finally:
            timer.cancel()
