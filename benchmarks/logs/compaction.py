"""Cost and savings of log compaction: `python -m benchmarks.logs.compaction`.

Commits a million offsets of 100 groups to one log, as a coordinator does, with the cleaner and
without it: how large the log gets, and what it takes to load it. Then user data at full speed
with a few offsets beside it: what RocksDB writes for both.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.logs.storage import (
    JournalBytes,
    Pauses,
    random_batch,
    until_quiet,
    written_bytes,
)
from benchmarks.report import machine
from common.ports.metadata import ClusterChange, Placement, Topic
from common.ports.partitions import ACKS_ALL, ACKS_LEADER, Append, LogId
from common.records.records import Record, write_batch
from common.runtime.runtime_tuning import keep_freed_memory
from partition_svc.config import PartitionSettings
from partition_svc.coordinator.records.group_records import encode
from partition_svc.coordinator.records.stored import OffsetRecord, StoredOffset
from partition_svc.coordinator.runtime.loader import load
from partition_svc.partitions import LocalPartitions
from partition_svc.store.log_store import LogStore

OFFSETS_ID: Final = b"offsets, 16 byte"
USERS_ID: Final = b"users of 16 byte"
#: As the gateway creates `__consumer_offsets`.
_CONFIGS: Final = {"cleanup.policy": "compact", "segment.bytes": str(1 << 20)}
_GROUPS: Final = 100
_PARTITIONS: Final = 10
_A_BATCH: Final = 10
_LOOK_S: Final = 0.1
_IN_FLIGHT: Final = 128
_USER_LOGS: Final = 100


@asynccontextmanager
async def offsets_core(
    folder: Path, settings: PartitionSettings
) -> AsyncIterator[tuple[LocalPartitions, LogStore]]:
    """A core with one log of offsets and many of users, and its store."""
    store = LogStore(folder, flush_bytes=settings.flush_bytes, with_statistics=True)
    core = LocalPartitions(store, settings)
    core.start()
    here = Placement(settings.member, 0)
    topics = [
        Topic(OFFSETS_ID, "offsets", (here,), _CONFIGS),
        Topic(USERS_ID, "users", (here,) * _USER_LOGS),
    ]
    core.apply(ClusterChange(1, "benchmark", is_snapshot=True, topics=topics))
    try:
        yield core, store
    finally:
        await core.close()


def _commits(rng: random.Random, first: int) -> Append:
    """A batch of offsets of any groups."""
    now_ms = int(time.time() * 1000)
    records = []
    for number in range(_A_BATCH):
        value = StoredOffset(first + number, -1, "", now_ms, -1, USERS_ID)
        group_id = f"group-{rng.randrange(_GROUPS)}"
        entry = encode(OffsetRecord(group_id, "users", rng.randrange(_PARTITIONS), value))
        records.append(Record(number, now_ms, *entry))
    return Append(LogId(OFFSETS_ID, 0), write_batch(records))


async def _size(core: LocalPartitions) -> int:
    (described,) = await core.describe_logs([LogId(OFFSETS_ID, 0)])
    return described.size_bytes


async def _commit(folder: Path, *, commits: int, must_clean: bool) -> None:
    settings = replace(PartitionSettings(), cleaner_enable=must_clean)
    async with offsets_core(folder, settings) as (core, store):
        sizes: list[int] = []

        async def look() -> None:
            while True:
                sizes.append(await _size(core))
                await asyncio.sleep(_LOOK_S)

        pauses, rng = Pauses(), random.Random(1)
        watching = [asyncio.create_task(look()), asyncio.create_task(pauses.watch())]
        started, cpu = time.perf_counter(), time.process_time()
        for first in range(0, commits, _A_BATCH):
            await core.append([_commits(rng, first)], acks=ACKS_ALL)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        for task in watching:
            task.cancel()
        late = sorted(pauses.late_ms)
        print(f"{commits} commits, the cleaner {'on' if must_clean else 'off'}:")
        print(f"  {commits / seconds:.0f} commits/s, {cpu / commits * 1e6:.0f} us of CPU for each")
        print(
            f"  the log: {statistics.median(sizes) / 1e6:.1f} MB (median), "
            f"{max(sizes) / 1e6:.1f} MB (largest), {await _size(core) / 1e6:.1f} MB at the end"
        )
        print(f"  event loop late by {late[int(len(late) * 0.999)]:.1f} ms (99.9 %)")
        print(f"  RocksDB wrote MB: {_megabytes(store)}")
        cpu = time.process_time()
        groups = await load(core, LogId(OFFSETS_ID, 0))
        print(f"  loading {len(groups)} groups: {time.process_time() - cpu:.2f} s of CPU")


def _megabytes(store: LogStore) -> str:
    return ", ".join(f"{why} {size / 1e6:.1f}" for why, size in written_bytes(store).items())


async def _beside_users(folder: Path, *, gigabytes: float) -> None:
    """One batch of offsets beside ten of users."""
    batch, rng = random_batch(16_384), random.Random(1)
    count = int(gigabytes * 1e9 / len(batch))
    async with offsets_core(folder, replace(PartitionSettings(), cleaner_backoff_ms=5_000)) as (
        core,
        store,
    ):
        room = asyncio.Semaphore(_IN_FLIGHT)
        size = 0
        for number in range(count):
            await room.acquire()
            appends = [Append(LogId(USERS_ID, number % _USER_LOGS), batch)]
            if number % 10 == 0:
                appends.append(_commits(rng, number))
            size += sum(len(append.batch) for append in appends)
            results = core.append(appends, acks=ACKS_ALL if number % 2 else ACKS_LEADER)
            results.add_done_callback(lambda _: room.release())
        for _ in range(_IN_FLIGHT):
            await room.acquire()
        await until_quiet(store)
        written = written_bytes(store)
        shares = ", ".join(f"{why} {wrote / size:.2f}" for why, wrote in written.items())
        print(f"{size / 1e9:.2f} GB of users and offsets:")
        print(f"  written {sum(written.values()) / size:.2f} bytes per byte appended: {shares}")


async def _run(arguments: argparse.Namespace, folder: Path) -> None:
    print("\n".join(f"{name}: {what}" for name, what in machine.describe(folder).items()))
    for must_clean in (True, False):
        where = folder / f"offsets-{must_clean}"
        await _commit(where, commits=arguments.commits, must_clean=must_clean)
    await _beside_users(folder / "users", gigabytes=arguments.gigabytes)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.logs.compaction", description=__doc__
    )
    parser.add_argument("--commits", type=int, default=1_000_000)
    parser.add_argument("--gigabytes", type=float, default=3.0)
    parser.add_argument("--data-dir", type=Path, help="where (a temporary directory)")
    arguments = parser.parse_args()
    keep_freed_memory()
    JournalBytes.count()
    with (
        tempfile.TemporaryDirectory(dir=arguments.data_dir, prefix="ringlog-bench-") as name,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_run(arguments, Path(name)))


if __name__ == "__main__":
    main()
