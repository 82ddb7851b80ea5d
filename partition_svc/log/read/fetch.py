"""Fetch: whole batches from the offset on, now or as soon as there are enough of them.

Rules of ReplicaManager.fetchMessages, readFromLog and DelayedFetch of Apache Kafka.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from common.ports.partitions import (
    FetchPartition,
    FetchQuery,
    FetchResult,
    FetchRoom,
    LogId,
    Refusal,
)
from partition_svc.log.commit.recovery import Recovery
from partition_svc.log.fetch_waiter import FetchWaiter
from partition_svc.log.partition_log import PartitionLog
from partition_svc.store.failures import StorageFailed
from partition_svc.store.log_store import LogStore
from partition_svc.store.reading import ReadLimits, Run

#: After so much from the store the loop may do something else.
_PAUSE_BYTES: Final = 1 << 20

#: After so many partitions as well.
_LOOKS_PER_TURN: Final = 512

Find = Callable[[LogId], PartitionLog | Refusal]


class _Read(NamedTuple):
    """What one partition gave. `log` None: refused. `has_more`: limits cut the answer short."""

    result: FetchResult
    log: PartitionLog | None = None
    size_bytes: int = 0
    has_more: bool = False


class _Poll:
    """One query under way: what was read of each partition so far."""

    __slots__ = (
        "_needed",
        "bytes_max",
        "end_of_wait",
        "first",
        "must_answer",
        "partitions",
        "reads",
        "room",
        "size_bytes",
    )

    def __init__(self, query: FetchQuery, bytes_max: int) -> None:
        self.partitions = query.partitions
        self.room = query.room
        self.end_of_wait = query.end_of_wait
        self.bytes_max = bytes_max
        self.reads: list[_Read] = []
        self.size_bytes = 0
        #: Whether waiting is out of the question, or would bring nothing.
        self.must_answer = not query.partitions
        #: Position of each log; a partition that is listed twice is served once.
        self.first: dict[LogId, int] = {}
        self._needed = min(query.min_bytes, bytes_max)

    @property
    def is_wait_ended(self) -> bool:
        """Whether the caller has ended the wait."""
        return self.end_of_wait is not None and self.end_of_wait.done()

    @property
    def lacking_bytes(self) -> int:
        return self._needed - self.size_bytes

    def limits(self, position: int, others_bytes: int) -> ReadLimits:
        """How much to read of a partition; the first batch found may exceed it (KIP-74)."""
        room = min(self.partitions[position].max_bytes, self.bytes_max - others_bytes)
        return ReadLimits(room, room, not others_bytes)

    def add(self, read: _Read) -> None:
        self.reads.append(read)
        self._count(read)

    def replace(self, position: int, read: _Read) -> None:
        self.size_bytes -= self.reads[position].size_bytes
        self.reads[position] = read
        self._count(read)

    def _count(self, read: _Read) -> None:
        self.size_bytes += read.size_bytes
        if read.has_more or read.result.refusal is not None:
            self.must_answer = True


class Fetcher:
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
        poll = _Poll(query, min(query.max_bytes, self._fetch_bytes_max))
        await self._read_all(poll)
        if self._waits(poll, deadline):
            await self._wait(poll, deadline)
        results = [read.result for read in poll.reads]
        if query.read_committed:
            for result in results:
                result.aborted = []
        return results

    def _waits(self, poll: _Poll, deadline: float) -> bool:
        must_answer = poll.must_answer or poll.is_wait_ended or self._is_draining
        is_enough = poll.lacking_bytes <= 0 or must_answer
        if poll.room is not None and poll.size_bytes and poll.room.is_short:
            # Others need the room that this one would keep while it waits.
            return False
        return not is_enough and asyncio.get_running_loop().time() < deadline

    async def _read_all(self, poll: _Poll) -> None:
        """Reads partition by partition."""
        for position, asked in enumerate(poll.partitions):
            poll.first.setdefault(asked.log, position)
            poll.add(await self._read_one(poll, position, poll.size_bytes))
            if position % _LOOKS_PER_TURN == _LOOKS_PER_TURN - 1:
                await asyncio.sleep(0)

    async def _wait(self, poll: _Poll, deadline: float) -> None:
        """Waits for more, and reads the logs that changed: they alone can have more."""
        with FetchWaiter() as waiter:
            if poll.end_of_wait is not None:
                poll.end_of_wait.add_done_callback(lambda _: waiter.wake())
            for position in poll.first.values():
                _watch(waiter, poll, position)
            while True:
                await waiter.wait(poll.lacking_bytes, deadline)
                changed = tuple(waiter.changed)
                waiter.changed.clear()
                await self._read_again(poll, sorted(poll.first[log.id] for log in changed))
                if not self._waits(poll, deadline):
                    return
                for log in changed:
                    _watch(waiter, poll, poll.first[log.id])

    async def _read_again(self, poll: _Poll, positions: Iterable[int]) -> None:
        for position in positions:
            size_bytes = poll.reads[position].size_bytes
            others_bytes = poll.size_bytes - size_bytes
            if poll.room is not None:
                poll.room.give(size_bytes)
            poll.replace(position, await self._read_one(poll, position, others_bytes))

    async def _read_one(self, poll: _Poll, position: int, others_bytes: int) -> _Read:
        """One partition, where the others have `others_bytes` of the answer."""
        if not self._recovery.is_readable:
            await self._recovery.until_readable()
        asked = poll.partitions[position]
        try:
            log = self._find(asked.log)
            if isinstance(log, Refusal):
                return _Read(FetchResult(refusal=log))
            refusal = log.epoch_refusal(asked.leader_epoch) or _range_refusal(log, asked)
            if refusal is not None:
                return _Read(_result(log, [], refusal))
            is_repeated = poll.first[asked.log] != position
            if is_repeated or asked.fetch_offset >= log.high_watermark:
                return _Read(_result(log, []), log)
            limits = poll.limits(position, others_bytes)
            return await self._batches(log, asked.fetch_offset, limits, poll.room)
        except StorageFailed:
            return _Read(FetchResult(refusal=Refusal.KAFKA_STORAGE_ERROR))

    async def _batches(
        self, log: PartitionLog, offset: int, limits: ReadLimits, room: FetchRoom | None
    ) -> _Read:
        """Reads up to the high watermark of this moment, from memory where it is there."""
        end = log.high_watermark
        result = _result(log, [])
        size = 0
        while offset < end and (size < limits.bytes_max or (limits.at_least_one and not size)):
            left = limits.bytes_max - size
            one = limits.at_least_one and not size
            if room is not None:
                if room.left < left:
                    if one:
                        await room.until_some()
                    left = min(left, room.left)
                if left <= 0 and not one:
                    break
            run = log.tail.read(offset, end, ReadLimits(left, left, one))
            if run is None:
                pause = min(left, _PAUSE_BYTES)
                wanted = ReadLimits(left, pause, one)
                run = await self._from_store(log, offset, end, wanted, room, is_first=not size)
            elif room is not None:
                room.take(run.size_bytes)
            if not run.batches:
                break
            result.records += run.batches
            size += run.size_bytes
            offset = run.next_offset
        return _Read(result, log, size, has_more=offset < end)

    async def _from_store(  # noqa: PLR0913 - a read in its parts
        self,
        log: PartitionLog,
        offset: int,
        end: int,
        limits: ReadLimits,
        room: FetchRoom | None,
        *,
        is_first: bool,
    ) -> Run:
        """Not while the store is being opened again; and never long without letting others work.

        Raises:
            StorageFailed: for the first read of a fetch. A later one that fails is empty, and the
                next fetch, which begins there, is told.
        """
        if not self._recovery.is_readable:
            await self._recovery.until_readable()
        try:
            run = self._store.reader.read(log.key, offset, end, limits)
        except StorageFailed:
            if is_first:
                raise
            return Run([], 0, offset)
        if room is not None:
            room.take(run.size_bytes)
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


def _watch(waiter: FetchWaiter, poll: _Poll, position: int) -> None:
    """Lets `waiter` wait for the log at `position`, which may have changed since it was read."""
    read = poll.reads[position]
    log, result = read.log, read.result
    if log is None:
        return
    waiter.watch(log, max(0, poll.partitions[position].max_bytes - read.size_bytes))
    is_changed = log.high_watermark != result.high_watermark or log.closed_reason is not None
    if is_changed or log.leader_epoch != result.leader_epoch:
        waiter.changed.add(log)
