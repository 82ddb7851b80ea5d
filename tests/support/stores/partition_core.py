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
#: The log that a test uses where it needs only one.
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
    """A core that knows `topics`; settings are fields of `PartitionSettings`."""
    store = LogStore(folder, flush_bytes=flush_bytes)
    core = LocalPartitions(store, PartitionSettings(**{"member": MEMBER, **settings}))
    core.start()
    try:
        # The metadata service keeps its state from one process to the next.
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
    """A batch of `count` records, whose values contain their number from `start` on."""
    records = numbered(count, size=size, start=start)
    return record_batch(records, producer=producer, base_timestamp_ms=timestamp_ms)


async def append(
    partitions: Partitions, *batches: bytes, log: LogId = LOG, acks: int = ACKS_ALL
) -> list[AppendResult]:
    """All batches in one call."""
    return await partitions.append([Append(log, one) for one in batches], acks=acks)


def query(
    *wanted: tuple[LogId, int],
    max_wait_ms: int = 0,
    min_bytes: int = 1,
    max_bytes: int = 1 << 20,
    partition_max_bytes: int = 1 << 20,
) -> FetchQuery:
    """A query for pairs of log and offset."""
    partitions = [FetchPartition(log, offset, partition_max_bytes) for log, offset in wanted]
    return FetchQuery(partitions, max_wait_ms, min_bytes, max_bytes)


async def fetch(partitions: Partitions, offset: int = 0, log: LogId = LOG) -> FetchResult:
    """Fetches the records from `offset` on, without waiting."""
    return (await partitions.fetch(query((log, offset))))[0]


def batches_of(result: FetchResult) -> list[bytes]:
    """The batches of an answer, however it is cut into chunks."""
    return split_batches(b"".join(result.records))


async def read_everything(partitions: Partitions, log: LogId = LOG) -> list[bytes]:
    """Every batch of a log, by as many fetches as it takes."""
    found: list[bytes] = []
    offset = 0
    while True:
        result = await fetch(partitions, offset, log)
        assert result.refusal is None, result.refusal
        if not (batches := batches_of(result)):
            return found
        found += batches
        offset = end_offset(batches[-1])


async def until(holds: Callable[[], bool]) -> None:
    """Polls for a condition without notification; the test as a whole has a limit."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def base_offset(placed: bytes) -> int:
    return int.from_bytes(placed[:8], "big")


def end_offset(placed: bytes) -> int:
    """The offset after the batch."""
    return base_offset(placed) + int.from_bytes(placed[23:27], "big") + 1


def content(placed: bytes) -> bytes:
    """Bytes that a broker may not change in a batch: all but base offset and leader epoch."""
    return placed[8:12] + placed[16:]


async def one_by_one(
    partitions: Partitions, batches: Sequence[bytes], log: LogId = LOG
) -> list[AppendResult]:
    """One call for each batch, all in flight together."""
    answers = [partitions.append([Append(log, one)], acks=ACKS_ALL) for one in batches]
    return [result for answer in await asyncio.gather(*answers) for result in answer]
