"""Fetch: whole batches from an offset on, at once or as soon as there are enough of them.

Rules of ReplicaManager.fetchMessages, readFromLog and DelayedFetch of Apache Kafka.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from common.ports.partitions import (
    FetchBudget,
    FetchPartition,
    FetchQuery,
    FetchResult,
    LogId,
    Refusal,
)
from partition_svc.log.commit.recovery import Recovery
from partition_svc.log.fetch_waiter import FetchWaiter
from partition_svc.log.partition_log import PartitionLog
from partition_svc.log.read.pending_fetch import PartitionRead, PendingFetch
from partition_svc.store.failures import StorageFailed
from partition_svc.store.log_store import LogStore
from partition_svc.store.reading import ReadLimits, Run

#: Bytes from the store after which the fetch yields to the event loop.
_PAUSE_BYTES: Final = 1 << 20

#: Partitions after which it yields too.
_PARTITIONS_PER_ITERATION: Final = 512

Find = Callable[[LogId], PartitionLog | Refusal]


class Fetcher:
    """Executes fetches. `fetch_bytes_max` limits every response (Kafka's fetch.max.bytes)."""

    def __init__(
        self, find: Find, store: LogStore, recovery: Recovery, *, fetch_bytes_max: int
    ) -> None:
        self._find = find
        self._store = store
        self._recovery = recovery
        self._fetch_bytes_max = fetch_bytes_max
        self._is_draining = False

    def stop_waiting(self) -> None:
        """Makes fetches return without waiting; the caller must wake waiters afterwards."""
        self._is_draining = True

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        """Returns one result for each requested partition, in order."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + query.max_wait_ms / 1000
        fetch = PendingFetch(query, min(query.max_bytes, self._fetch_bytes_max))
        await self._read_all(fetch)
        if self._must_wait(fetch, deadline):
            await self._wait(fetch, deadline)
        results = [read.result for read in fetch.reads]
        if query.read_committed:
            for result in results:
                result.aborted = []
        return results

    def _must_wait(self, fetch: PendingFetch, deadline: float) -> bool:
        must_respond = fetch.must_respond or fetch.is_wait_ended or self._is_draining
        is_enough = fetch.missing_bytes <= 0 or must_respond
        if fetch.budget is not None and fetch.size_bytes and fetch.budget.is_low:
            # Other fetches need the memory that this one would hold while it waits.
            return False
        return not is_enough and asyncio.get_running_loop().time() < deadline

    async def _read_all(self, fetch: PendingFetch) -> None:
        """Reads all partitions, one after the other."""
        for position, requested in enumerate(fetch.partitions):
            fetch.first.setdefault(requested.log, position)
            fetch.add(await self._read_one(fetch, position, fetch.size_bytes))
            if position % _PARTITIONS_PER_ITERATION == _PARTITIONS_PER_ITERATION - 1:
                await asyncio.sleep(0)

    async def _wait(self, fetch: PendingFetch, deadline: float) -> None:
        """Waits until there is enough, and reads the logs that have changed again."""
        with FetchWaiter() as waiter:
            if fetch.end_of_wait is not None:
                fetch.end_of_wait.add_done_callback(lambda _: waiter.wake())
            for position in fetch.first.values():
                _watch(waiter, fetch, position)
            while True:
                await waiter.wait(fetch.missing_bytes, deadline)
                changed = tuple(waiter.changed)
                waiter.changed.clear()
                await self._read_again(fetch, sorted(fetch.first[log.id] for log in changed))
                if not self._must_wait(fetch, deadline):
                    return
                for log in changed:
                    _watch(waiter, fetch, fetch.first[log.id])

    async def _read_again(self, fetch: PendingFetch, positions: Iterable[int]) -> None:
        for position in positions:
            size_bytes = fetch.reads[position].size_bytes
            others_bytes = fetch.size_bytes - size_bytes
            if fetch.budget is not None:
                fetch.budget.release(size_bytes)
            fetch.replace(position, await self._read_one(fetch, position, others_bytes))

    async def _read_one(
        self, fetch: PendingFetch, position: int, others_bytes: int
    ) -> PartitionRead:
        """Reads one partition; the others have `others_bytes` of the response."""
        if not self._recovery.is_readable:
            await self._recovery.until_readable()
        requested = fetch.partitions[position]
        try:
            log = self._find(requested.log)
            if isinstance(log, Refusal):
                return PartitionRead(FetchResult(refusal=log))
            refusal = log.epoch_refusal(requested.leader_epoch) or _range_refusal(log, requested)
            if refusal is not None:
                return PartitionRead(_result(log, [], refusal))
            is_repeated = fetch.first[requested.log] != position
            if is_repeated or requested.fetch_offset >= log.high_watermark:
                return PartitionRead(_result(log, []), log)
            limits = fetch.limits(position, others_bytes)
            return await self._batches(log, requested.fetch_offset, limits, fetch.budget)
        except StorageFailed:
            return PartitionRead(FetchResult(refusal=Refusal.KAFKA_STORAGE_ERROR))

    async def _batches(
        self, log: PartitionLog, offset: int, limits: ReadLimits, budget: FetchBudget | None
    ) -> PartitionRead:
        """Reads up to the current high watermark, from the tail cache if it has the batches."""
        end = log.high_watermark
        result = _result(log, [])
        size = 0
        while offset < end and (size < limits.bytes_max or (limits.at_least_one and not size)):
            left = limits.bytes_max - size
            one = limits.at_least_one and not size
            if budget is not None:
                if budget.remaining < left:
                    if one:
                        await budget.wait_until_available()
                    left = min(left, budget.remaining)
                if left <= 0 and not one:
                    break
            run = log.tail.read(offset, end, ReadLimits(left, left, one))
            if run is None:
                pause = min(left, _PAUSE_BYTES)
                limited = ReadLimits(left, pause, one)
                run = await self._from_store(log, offset, end, limited, budget, is_first=not size)
            elif budget is not None:
                budget.acquire(run.size_bytes)
            if not run.batches:
                break
            result.records += run.batches
            size += run.size_bytes
            offset = run.next_offset
        return PartitionRead(result, log, size, has_more=offset < end)

    async def _from_store(  # noqa: PLR0913 - the arguments of a read
        self,
        log: PartitionLog,
        offset: int,
        end: int,
        limits: ReadLimits,
        budget: FetchBudget | None,
        *,
        is_first: bool,
    ) -> Run:
        """Reads from the store; waits while that is opened again, and yields after a long read.

        Raises:
            StorageFailed: only for the first read of a fetch. A later read returns nothing; the
                next fetch begins there and gets the error.
        """
        if not self._recovery.is_readable:
            await self._recovery.until_readable()
        try:
            run = self._store.reader.read(log.key, offset, end, limits)
        except StorageFailed:
            if is_first:
                raise
            return Run([], 0, offset)
        if budget is not None:
            budget.acquire(run.size_bytes)
        if run.size_bytes >= _PAUSE_BYTES:
            await asyncio.sleep(0)
        return run


def _result(
    log: PartitionLog, records: list[bytes | memoryview], refusal: Refusal | None = None
) -> FetchResult:
    """Returns the result of a log; a refusal has no offsets (-1), only the epoch (KIP-320)."""
    if refusal is not None:
        return FetchResult(refusal=refusal, leader_epoch=log.leader_epoch)
    end = log.high_watermark
    return FetchResult(records, end, end, log.log_start_offset, log.leader_epoch)


def _range_refusal(log: PartitionLog, requested: FetchPartition) -> Refusal | None:
    # Between the high watermark and the log end nothing is readable yet, which is no error.
    if log.log_start_offset <= requested.fetch_offset <= log.next_offset:
        return None
    return Refusal.OFFSET_OUT_OF_RANGE


def _watch(waiter: FetchWaiter, fetch: PendingFetch, position: int) -> None:
    """Adds the log at `position` to `waiter`, as changed if it has changed since it was read."""
    read = fetch.reads[position]
    log, result = read.log, read.result
    if log is None:
        return
    waiter.watch(log, max(0, fetch.partitions[position].max_bytes - read.size_bytes))
    is_changed = log.high_watermark != result.high_watermark or log.closed_reason is not None
    if is_changed or log.leader_epoch != result.leader_epoch:
        waiter.changed.add(log)
