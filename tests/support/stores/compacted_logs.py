"""Logs of compacted topics: keyed batches to fill them, and their contents."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from common.records.records import read_records
from partition_svc.log.compaction.candidate import find_candidate
from partition_svc.log.compaction.compaction_pass import CompactionPass, CompactionTools
from partition_svc.log.partition_log import PartitionLog
from partition_svc.partitions import LocalPartitions
from partition_svc.store.log_store import LogStore
from partition_svc.store.reading import ReadLimits
from tests.support.stores.partition_core import LOG, append
from tests.support.wire.batches import record_batch
from tests.support.wire.records import Record

#: Topic configs under which all eligible segments are compacted.
EAGER: Mapping[str, str] = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0"}
NEVER_MS = 3_600_000
START_MS = 1_700_000_000_000

_NO_LIMITS = ReadLimits(1 << 30, 1 << 30, at_least_one=True)

#: Key and value of a record; value None is a tombstone.
Pair = tuple[bytes, bytes | None]


def keyed_batch(
    pairs: Sequence[Pair], *, codec: str = "none", at_ms: int = START_MS, **values: object
) -> bytes:
    records = [Record(value, key) for key, value in pairs]
    return record_batch(records, codec=codec, base_timestamp_ms=at_ms, **values)


async def fill(core: LocalPartitions, *batches: Sequence[Pair], **values: object) -> None:
    for pairs in batches:
        (result,) = await append(core, keyed_batch(pairs, **values))
        assert result.refusal is None, result


async def begin_segment(core: LocalPartitions) -> None:
    """Ends the active segment, so that the current records may be compacted after an append."""
    core._store._open_generation.must_end = True
    await core._committer.run_exclusive(lambda: None)
    while core._store._database.number("rocksdb.num-immutable-mem-table"):
        await core._committer.run_exclusive(lambda: None)


async def run_compaction(
    core: LocalPartitions, *, now_ms: int, buffer_bytes: int | None = None
) -> int:
    """Compacts the log of the test; returns the number of replaced batches."""
    log = core._registry.find(LOG)
    assert isinstance(log, PartitionLog)
    part = find_candidate(log, core._store.reader, now_ms)
    if part is None:
        return 0
    tools: CompactionTools = core._background.cleaner._tools
    if buffer_bytes is not None:
        tools = tools._replace(buffer_bytes=buffer_bytes)
    compaction_pass = CompactionPass(part, tools, now_ms)
    await compaction_pass.run()
    return compaction_pass.replaced


def read_all_batches(store: LogStore, log_key: bytes) -> list[bytes]:
    """Returns all batches of a log; checks that its other rows agree with them."""
    head = store.head(log_key)
    batches = store.reader.read(log_key, 0, head.next_offset, _NO_LIMITS).batches
    assert head.size_bytes == sum(map(len, batches))
    sizes_before = [size_before for _, _, size_before in store.reader.segments(log_key)]
    assert all(one < following for one, following in pairwise([*sizes_before, head.size_bytes]))
    return batches


def pairs_by_offset(batches: Iterable[bytes]) -> dict[int, Pair]:
    pairs = {
        record.offset: (record.key or b"", record.value)
        for batch in batches
        for record in read_records(batch)
    }
    assert list(pairs) == sorted(pairs)
    return pairs


def last_values(batches: Iterable[bytes]) -> dict[bytes, bytes]:
    """Returns the last value of each key for a reader from the start of the log."""
    values: dict[bytes, bytes] = {}
    for key, value in pairs_by_offset(batches).values():
        if value is None:
            values.pop(key, None)
        else:
            values[key] = value
    return values
