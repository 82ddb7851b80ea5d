"""A partition service's core on a real store, and helpers for tests of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from common.ports.metadata import ClusterChange, Placement, Topic
from common.ports.partitions import (
    ACKS_ALL,
    Append,
    AppendResult,
    FetchPartition,
    FetchQuery,
    FetchResult,
    LogId,
    Partitions,
)
from partition_svc.config import PartitionSettings
from partition_svc.partitions import LocalPartitions
from partition_svc.store.log_store import LogStore
from tests.support.wire.batches import record_batch, split_batches
from tests.support.wire.records import numbered

MEMBER = "partition-0"
CLUSTER_ID = "cluster-of-tests"
TOPIC_ID = b"topic of 16 byte"
#: The log of tests that need only one.
LOG = LogId(TOPIC_ID, 0)


def topic(
    topic_id: bytes = TOPIC_ID,
    *,
    partitions: int = 4,
    owner: str = MEMBER,
    leader_epoch: int = 0,
    configs: Mapping[str, str] | None = None,
    is_internal: bool = False,
) -> Topic:
    placement = Placement(owner, leader_epoch)
    return Topic(topic_id, topic_id.hex(), (placement,) * partitions, configs or {}, is_internal)


def snapshot(*topics: Topic, revision: int = 1, cluster_id: str = CLUSTER_ID) -> ClusterChange:
    return ClusterChange(revision, cluster_id, is_snapshot=True, topics=topics)


@asynccontextmanager
async def running_core(
    folder: Path, *topics: Topic, flush_bytes: int = 64 << 20, **settings: object
) -> AsyncIterator[LocalPartitions]:
    """Runs a core with these topics; settings are fields of `PartitionSettings`."""
    store = LogStore(folder, flush_bytes=flush_bytes)
    core = LocalPartitions(store, PartitionSettings(**{"member": MEMBER, **settings}))
    core.start()
    try:
        # Revisions of the metadata service grow across restarts of the core.
        revision = max(1, core.volume._state.applied_revision)
        core.apply(snapshot(*topics or (topic(),), revision=revision))
        yield core
    finally:
        await core.close()


def batch(
    count: int = 1,
    *,
    size: int = 20,
    start: int = 0,
    producer: tuple[int, int, int] = (-1, -1, -1),
    timestamp_ms: int = 1_700_000_000_000,
) -> bytes:
    """Returns a batch of `count` records, whose values contain their numbers from `start` on."""
    records = numbered(count, size=size, start=start)
    return record_batch(records, producer=producer, base_timestamp_ms=timestamp_ms)


async def append(
    partitions: Partitions, *batches: bytes, log: LogId = LOG, acks: int = ACKS_ALL
) -> list[AppendResult]:
    """Appends all batches in one call."""
    return await partitions.append([Append(log, item) for item in batches], acks=acks)


def query(
    *positions: tuple[LogId, int],
    max_wait_ms: int = 0,
    min_bytes: int = 1,
    max_bytes: int = 1 << 20,
    partition_max_bytes: int = 1 << 20,
) -> FetchQuery:
    """Returns a query for pairs of log and offset."""
    partitions = [FetchPartition(log, offset, partition_max_bytes) for log, offset in positions]
    return FetchQuery(partitions, max_wait_ms, min_bytes, max_bytes)


async def fetch(partitions: Partitions, offset: int = 0, log: LogId = LOG) -> FetchResult:
    """Fetches the records from `offset` on, without waiting."""
    return (await partitions.fetch(query((log, offset))))[0]


def batches_of(result: FetchResult) -> list[bytes]:
    """Returns the batches of a result, whose chunks may end within batches."""
    return split_batches(b"".join(result.records))


async def read_everything(partitions: Partitions, log: LogId = LOG) -> list[bytes]:
    """Fetches all batches of a log."""
    all_batches: list[bytes] = []
    offset = 0
    while True:
        result = await fetch(partitions, offset, log)
        assert result.refusal is None, result.refusal
        if not (batches := batches_of(result)):
            return all_batches
        all_batches += batches
        offset = end_offset(batches[-1])


async def until(condition: Callable[[], bool]) -> None:
    """Polls for a condition without notification; the timeout of the test is the limit."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def base_offset(batch: bytes) -> int:
    return int.from_bytes(batch[:8], "big")


def end_offset(batch: bytes) -> int:
    """Returns the offset after the batch."""
    return base_offset(batch) + int.from_bytes(batch[23:27], "big") + 1


def content(batch: bytes) -> bytes:
    """Returns the bytes that a broker must not change: all but base offset and leader epoch."""
    return batch[8:12] + batch[16:]


async def append_separately(
    partitions: Partitions, batches: Sequence[bytes], log: LogId = LOG
) -> list[AppendResult]:
    """Appends each batch by a call of its own; all calls are in flight together."""
    calls = [partitions.append([Append(log, item)], acks=ACKS_ALL) for item in batches]
    return [result for results in await asyncio.gather(*calls) for result in results]
