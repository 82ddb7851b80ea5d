"""Cost of very many idempotent producers: `python -m benchmarks.logs.producers`.

One log remembers a million producers, as after a day of Java clients that come and go. Measured is
the longest turn of the event loop while a producer appends after a start, while the log is
described, while those beyond the limit are forgotten, and while the log moves; for a move also how
long it takes no appends.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.report import machine
from benchmarks.report.markdown import number, table
from common.ports.moves import MovePhase
from common.runtime.runtime_tuning import collect_garbage_less_often, keep_freed_memory
from tests.support.moves.members import TARGET, MovingMember, NotifyingRing, moving_members
from tests.support.stores.many_producers import store_producers
from tests.support.stores.partition_core import LOG, append, batch, until

_MINUTE_MS: Final = 60_000

#: Name, seconds, and the longest turn of the loop in milliseconds of CPU time.
_Row = tuple[str, float, float]


class _Turns:
    """The longest turn of the event loop in CPU time, which a busy machine does not stretch."""

    longest_s = 0.0

    async def watch(self) -> None:
        while True:
            began = time.thread_time()
            await asyncio.sleep(0)
            self.longest_s = max(self.longest_s, time.thread_time() - began)


@asynccontextmanager
async def _measured(rows: list[_Row], name: str) -> AsyncIterator[None]:
    turns = _Turns()
    watching = asyncio.create_task(turns.watch())
    await asyncio.sleep(0.01)
    began = time.perf_counter()
    yield
    seconds = time.perf_counter() - began
    await asyncio.sleep(0.01)
    watching.cancel()
    rows.append((name, seconds, turns.longest_s * 1e3))


async def _without_appends(ring: NotifyingRing, target: MovingMember) -> float:
    """Seconds from the fence of the only move to the first append that its target accepts."""
    while not any(  # noqa: ASYNC110
        move.phase >= MovePhase.FENCE for move in ring.moves.values()
    ):
        await asyncio.sleep(0.001)
    began = time.perf_counter()
    while target.core.serving_epoch(LOG) is None:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    return time.perf_counter() - began


async def _run(folder: Path, count: int, limit: int) -> list[_Row]:
    rows: list[_Row] = []
    ring, now_ms = NotifyingRing(), int(time.time() * 1000)
    settings = {"producer_ids_max": limit}
    async with moving_members(folder, ring, **settings) as (source, target):
        await append(source.core, batch())
        store_producers(
            source.store, count, seen_ms=lambda number: now_ms - (10 + number % 1000) * _MINUTE_MS
        )
        async with _measured(rows, "first append of a producer"):
            await append(source.core, batch(producer=(count + 1, 0, 0)))
        async with _measured(rows, "describe the log"):
            (described,) = await source.core.describe_logs([LOG])
        assert described.producer_count == count + 1
        async with _measured(rows, "move the log"):
            fenced = asyncio.create_task(_without_appends(ring, target))
            ring.begin()
            without_appends_s = await fenced
            await until(lambda: not ring.moves)
        async with _measured(rows, f"forget all but {limit}"):
            await target.core._background.producers.run_pass()
        (described,) = await target.core.describe_logs([LOG])
        assert described.producer_count == limit
    rows.append(("no appends during the move", without_appends_s, 0.0))
    assert ring.placement().owner == TARGET
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.logs.producers", description=__doc__
    )
    parser.add_argument("--producers", type=int, default=1_000_000)
    parser.add_argument("--limit", type=int, default=100_000)
    parser.add_argument("--data-dir", type=Path, help="where logs are kept (a temporary directory)")
    arguments = parser.parse_args()
    keep_freed_memory()
    collect_garbage_less_often()
    with tempfile.TemporaryDirectory(dir=arguments.data_dir, prefix="ringlog-bench-") as name:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rows = runner.run(_run(Path(name), arguments.producers, arguments.limit))
        print(machine.describe(Path(name)))
    head = [f"{arguments.producers} producers", "s", "longest turn of the loop, CPU ms"]
    print(table(head, [[what, f"{s:.2f}", number(ms) if ms else "-"] for what, s, ms in rows]))


if __name__ == "__main__":
    main()
