"""Cost of the storage layout: `python -m benchmarks.logs.storage --gigabytes 10 --partitions 100`.

Fills a real core on disk at full speed and prints what RocksDB wrote for it, how long the event
loop stood still, how fast a seek is afterwards, and what many partitions cost. Beside it stands
what RocksDB does with the same bytes as plain puts. Needs 1.5 times the bytes on disk.
"""

import argparse
import asyncio
import os
import random
import re
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from rocksdict import Options, Rdict

from benchmarks.report import machine
from common.ports.metadata import ClusterChange, Placement, Topic
from common.ports.partitions import ACKS_ALL, ACKS_LEADER, Append, LogId
from common.records.records import Record, write_batch
from common.runtime.runtime_tuning import keep_freed_memory
from partition_svc.config import PartitionSettings
from partition_svc.partitions import LocalPartitions
from partition_svc.store.journal.journal_file import JournalFile
from partition_svc.store.keys import log_key
from partition_svc.store.log_store import LogStore
from partition_svc.store.reading import ReadLimits

_TOPIC_ID = b"storage of 16 by"
_MANY = 1_000
_SEEKS = 5_000
_IN_FLIGHT = 128
_PULSE_S = 0.001


@dataclass(slots=True)
class Pauses:
    """Delay of a 1 ms timer: the time that a request would wait for the event loop."""

    late_ms: list[float] = field(default_factory=list)

    async def watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            expected = loop.time() + _PULSE_S
            await asyncio.sleep(_PULSE_S)
            self.late_ms.append((loop.time() - expected) * 1e3)


@asynccontextmanager
async def _core(folder: Path, partitions: int) -> AsyncIterator[tuple[LocalPartitions, LogStore]]:
    """A core that owns one topic, and its store."""
    JournalBytes.written = 0
    settings = PartitionSettings()
    store = LogStore(folder, flush_bytes=settings.flush_bytes, with_statistics=True)
    core = LocalPartitions(store, settings)
    core.start()
    placements = (Placement(settings.member, 0),) * partitions
    topics = [Topic(_TOPIC_ID, "storage", placements)]
    core.apply(ClusterChange(1, "benchmark", is_snapshot=True, topics=topics))
    try:
        yield core, store
    finally:
        await core.close()


async def _fill(core: LocalPartitions, *, batch: bytes, count: int, partitions: int) -> None:
    """Appends `count` batches to partitions in turn, half of them with acks=all."""
    room = asyncio.Semaphore(_IN_FLIGHT)
    for number in range(count):
        await room.acquire()
        one = Append(LogId(_TOPIC_ID, number % partitions), batch)
        results = core.append([one], acks=ACKS_ALL if number % 2 else ACKS_LEADER)
        results.add_done_callback(lambda _: room.release())
    for _ in range(_IN_FLIGHT):
        await room.acquire()


class JournalBytes:
    """Counts the bytes of all records that journals of this process write."""

    written = 0

    @classmethod
    def count(cls) -> None:
        """Counts from now on."""
        append = JournalFile.append

        def counted(file: JournalFile, buffers: Sequence[bytes], size_bytes: int) -> None:
            append(file, buffers, size_bytes)
            cls.written += size_bytes

        JournalFile.append = counted  # type: ignore[method-assign,assignment]


def written_bytes(store: LogStore) -> dict[str, int]:
    """Bytes that the journal and RocksDB wrote, by reason."""
    text = store.journaled.database.statistics()
    names = {"flush": "flush.write.bytes", "compaction": "compact.write.bytes"}
    return {"journal": JournalBytes.written} | {
        reason: int(found[1])
        for reason, name in names.items()
        if (found := re.search(rf"^rocksdb\.{re.escape(name)} COUNT : (\d+)", text, re.MULTILINE))
    }


def _seeks_us(store: LogStore, *, partitions: int, ends: dict[int, int]) -> list[float]:
    """Times of reads of one batch somewhere in some log, past all caches of ours."""
    rng = random.Random(1)
    one = ReadLimits(0, 0, at_least_one=True)
    times: list[float] = []
    for _ in range(_SEEKS):
        partition = rng.randrange(partitions)
        key, end = log_key(_TOPIC_ID, partition), ends[partition]
        offset = rng.randrange(end)
        started = time.perf_counter()
        found = store.reader.read(key, offset, end, one)
        times.append((time.perf_counter() - started) * 1e6)
        assert len(found.batches) == 1
    return times


async def _sustained(folder: Path, *, gigabytes: float, partitions: int, batch: bytes) -> None:
    count = int(gigabytes * 1e9 / len(batch))
    pauses = Pauses()
    async with _core(folder, partitions) as (core, store):
        watching = asyncio.create_task(pauses.watch())
        started = time.perf_counter()
        await _fill(core, batch=batch, count=count, partitions=partitions)
        seconds = time.perf_counter() - started
        watching.cancel()
        appended = count * len(batch)
        print(
            f"appended {appended / 1e9:.2f} GB in {len(batch)}-byte batches to {partitions} logs:"
        )
        print(f"  {appended / seconds / 1e6:.0f} MB/s, half of the batches with acks=all")
        late = sorted(pauses.late_ms)
        print(
            f"  event loop late by {late[len(late) // 2]:.2f} ms (median), "
            f"{late[int(len(late) * 0.999)]:.1f} ms (99.9 %), {late[-1]:.1f} ms (longest)"
        )
        await until_quiet(store)
        written = written_bytes(store)
        shares = ", ".join(f"{reason} {size / appended:.2f}" for reason, size in written.items())
        print(f"  written {sum(written.values()) / appended:.2f} bytes per byte appended: {shares}")
        described = await core.describe_logs([])
        ends = {log.log.partition: log.high_watermark for log in described}
        times = _seeks_us(store, partitions=partitions, ends=ends)
        print(
            f"  seek and read of one batch: {statistics.median(times):.0f} us (median), "
            f"{sorted(times)[int(len(times) * 0.99)]:.0f} us (99 %)"
        )


async def until_quiet(store: LogStore) -> None:
    """Waits until RocksDB's compaction is idle, so that its work is counted."""
    before: dict[str, int] = {}
    while (now := written_bytes(store)) != before:
        before = now
        await asyncio.sleep(2)


async def _many_partitions(folder: Path, *, batch: bytes) -> None:
    started = time.perf_counter()
    async with _core(folder, _MANY) as (core, _):
        appends = [Append(LogId(_TOPIC_ID, number), batch) for number in range(_MANY)]
        results = await core.append(appends, acks=ACKS_ALL)
        assert all(result.refusal is None for result in results)
        print(f"{_MANY} logs created, each with a batch: {time.perf_counter() - started:.3f} s")
    started = time.perf_counter()
    async with _core(folder, _MANY) as (core, _):
        described = await core.describe_logs([])
        assert all(log.high_watermark == 1 for log in described)
        print(f"{_MANY} logs opened again: {time.perf_counter() - started:.3f} s")


def _plain_puts(folder: Path, *, batch: bytes, gigabytes: float) -> None:
    """The same bytes under growing keys, unsynced, with RocksDB's own defaults."""
    store = Rdict(str(folder), Options(raw_mode=True))
    count = int(gigabytes * 1e9 / len(batch))
    longest = 0.0
    started = time.perf_counter()
    for number in range(count):
        begun = time.perf_counter()
        store.put(number.to_bytes(8, "big"), batch)
        longest = max(longest, time.perf_counter() - begun)
    seconds = time.perf_counter() - started
    store.close()
    print(
        f"RocksDB alone, {gigabytes:g} GB of plain puts: "
        f"{count * len(batch) / seconds / 1e6:.0f} MB/s, longest put {longest * 1e3:.1f} ms"
    )


def random_batch(size: int) -> bytes:
    """One record that makes a batch of about `size` bytes; random, so nothing can shrink it."""
    value = random.Random(0).randbytes(max(0, size - 80))
    return write_batch([Record(0, int(time.time() * 1000), None, value)])


async def _run(arguments: argparse.Namespace, folder: Path) -> None:
    print("\n".join(f"{name}: {what}" for name, what in machine.describe(folder).items()))
    # Whoever else runs on the machine makes the pauses below longer.
    print(f"load before: {os.getloadavg()[0]:.1f}")
    batch = random_batch(arguments.batch_bytes)
    await _many_partitions(folder / "many", batch=random_batch(200))
    _plain_puts(folder / "plain", batch=batch, gigabytes=min(1.0, arguments.gigabytes))
    await _sustained(
        folder / "sustained",
        gigabytes=arguments.gigabytes,
        partitions=arguments.partitions,
        batch=batch,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.logs.storage", description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--partitions", type=int, default=100)
    parser.add_argument("--batch-bytes", type=int, default=16_384)
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
