"""Load time of a coordinator: `python -m benchmarks.groups.loading`.

One log of `__consumer_offsets` with 100,000 offsets of 1,000 groups, each of a key of its own, so
that compaction could take none away. How many share a batch is how many were committed together:
by a member for all its partitions, or by many groups in one write.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.logs.compaction import OFFSETS_ID, USERS_ID, offsets_core
from benchmarks.report import machine
from benchmarks.report.markdown import number, table
from common.ports.partitions import ACKS_LEADER, Append, LogId
from common.records.records import Record, write_batch
from common.runtime.runtime_tuning import collect_garbage_less_often, keep_freed_memory
from partition_svc.config import PartitionSettings
from partition_svc.coordinator.records.group_records import RecordEntry, encode
from partition_svc.coordinator.records.stored import OffsetRecord, StoredOffset
from partition_svc.coordinator.runtime.loader import load

_LOG: Final = LogId(OFFSETS_ID, 0)
_GROUPS: Final = 1_000
_PARTITIONS: Final = 100
_TOGETHER: Final = (1, 10, 100)
_SETTINGS: Final = replace(PartitionSettings(), cleaner_enable=False)


def _offsets(now_ms: int) -> Iterator[RecordEntry]:
    for group in range(_GROUPS):
        for partition in range(_PARTITIONS):
            value = StoredOffset(partition, -1, "", now_ms, -1, USERS_ID)
            yield encode(OffsetRecord(f"group-{group}", "orders", partition, value))


async def _measure(folder: Path, together: int, loads: int) -> list[tuple[float, float]]:
    """Wall and CPU seconds of each load, by a process that has just begun: all is on disk."""
    await _fill(folder, together)
    return [await _load(folder) for _ in range(loads)]


async def _fill(folder: Path, together: int) -> None:
    now_ms = int(time.time() * 1000)
    entries = list(_offsets(now_ms))
    async with offsets_core(folder, _SETTINGS) as (core, _):
        for first in range(0, len(entries), together):
            now = enumerate(entries[first : first + together])
            batch = write_batch([Record(n, now_ms, *one) for n, one in now])
            await core.append([Append(_LOG, batch)], acks=ACKS_LEADER)


async def _load(folder: Path) -> tuple[float, float]:
    async with offsets_core(folder, _SETTINGS) as (core, _):
        wall, cpu = time.perf_counter(), time.process_time()
        groups = await load(core, _LOG)
        took = time.perf_counter() - wall, time.process_time() - cpu
    assert len(groups) == _GROUPS
    assert all(len(group.offsets["orders"]) == _PARTITIONS for group in groups.values())
    return took


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.groups.loading", description=__doc__
    )
    parser.add_argument("--loads", type=int, default=9, help="of each log")
    arguments = parser.parse_args()
    # As the partition service does.
    keep_freed_memory()
    collect_garbage_less_often()
    rows = []
    with tempfile.TemporaryDirectory(prefix="ringlog-bench-") as name:
        print("".join(f"- {what}: {how}\n" for what, how in machine.describe(Path(name)).items()))
        for together in _TOGETHER:
            found = uvloop.run(_measure(Path(name, str(together)), together, arguments.loads))
            wall, cpu = zip(*found, strict=True)
            spread = f"{number(min(wall))} … {number(max(wall))}"
            median = number(statistics.median(wall))
            rows.append((str(together), median, spread, number(statistics.median(cpu))))
    print(table(("offsets in a batch", "s to load", "lowest … highest", "CPU s"), rows))


if __name__ == "__main__":
    main()
