"""Cost of sending every cluster change to every watcher: `python -m benchmarks.cluster.watch`.

A real metadata service; partition services and gateways are simulated: each has a connection and a
watch of its own, applies every change and acknowledges it, as the real ones do. They share one
process, and with the metadata service the machine's cores.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.cluster.watchers import SimulatedMember, Watcher, gateway, wire_bytes
from benchmarks.processes.processes import Process
from benchmarks.report import machine, markdown
from benchmarks.report.markdown import number
from common.cluster.view import ClusterView
from common.ports.metadata import NewTopic
from common.rpc.channels import open_channel
from common.rpc.metadata_client import GrpcMetadata

_TOPIC_PARTITIONS: Final = 100
_TOPICS_AGAIN: Final = 20
_RESTARTS: Final = 10
_IDLE_S: Final = 6.0
_TIMEOUT_MS: Final = 60_000


class Bench:
    """A metadata service, who watches it, and what was found out."""

    def __init__(self, process: Process, address: str, gateways: int, partitions: int) -> None:
        self.rows: list[tuple[str, str, str]] = []
        self._process = process
        self._metadata = GrpcMetadata(open_channel(address))
        self._member = SimulatedMember(address, "partition-0")
        self._newcomer = SimulatedMember(address, "partition-1")
        self._gateways = [gateway(address, node_id) for node_id in range(gateways)]
        self._topics = partitions // _TOPIC_PARTITIONS
        self._created = 0

    async def run(self, moves: int) -> None:
        first, *others = self._gateways
        await self._start([self._member, first])
        self._memory("no topic, 1 gateway")
        await self._create("1 gateway", [first], self._topics)
        self._memory(f"{self._partitions:,} partitions, 1 gateway")
        if others:
            await self._gateways_come(others)
        self._memory(f"{self._partitions:,} partitions, {len(self._gateways)} gateways")
        await self._create(f"{len(self._gateways)} gateways", self._gateways, _TOPICS_AGAIN)
        await self._restarts()
        await self._idle()
        await self._a_member_joins(moves)
        for process in (*self._gateways, self._member, self._newcomer):
            await process.stop()

    @property
    def _partitions(self) -> int:
        return self._created * _TOPIC_PARTITIONS

    async def _start(self, watchers: Sequence[Watcher]) -> None:
        for watcher in watchers:
            watcher.start()
            await watcher.until(lambda view: view.has_snapshot)

    async def _create(self, who: str, watchers: Sequence[Watcher], count: int) -> None:
        seconds, cpu = [], self._process.cpu_seconds()
        sent = len(watchers[0].changes)
        for _ in range(count):
            topic = NewTopic(f"topic-{self._created}", _TOPIC_PARTITIONS)
            self._created += 1
            began = time.perf_counter()
            (result,) = await self._metadata.create_topics([topic], timeout_ms=_TIMEOUT_MS)
            seconds.append(time.perf_counter() - began)
            if result.refusal is not None:
                raise AssertionError(f"a topic was refused: {result.message}")
        what = f"a topic of {_TOPIC_PARTITIONS} partitions, {who}"
        self._row(what, "ms until all know", _median_and_most(seconds))
        cpu_ms = (self._process.cpu_seconds() - cpu) * 1e3 / count
        self._row(what, "CPU ms", number(cpu_ms))
        received = sum(map(wire_bytes, watchers[0].changes[sent:]))
        self._row(what, "bytes to each watcher", f"{received // count:,}")

    async def _gateways_come(self, others: Sequence[Watcher]) -> None:
        cpu, began = self._process.cpu_seconds(), time.perf_counter()
        for process in others:
            process.start()
        await asyncio.gather(*(gateway.until(lambda view: view.has_snapshot) for gateway in others))
        took = time.perf_counter() - began
        what = f"{len(others)} gateways come at once, {self._partitions:,} partitions"
        self._row(what, "ms until all know", number(took * 1e3))
        cpu_ms = (self._process.cpu_seconds() - cpu) * 1e3 / len(others)
        self._row(what, "CPU ms for each", number(cpu_ms))
        self._row(what, "bytes of a snapshot", f"{wire_bytes(others[-1].changes[0]):,}")

    async def _idle(self) -> None:
        cpu = self._process.cpu_seconds()
        await asyncio.sleep(_IDLE_S)
        used = (self._process.cpu_seconds() - cpu) / _IDLE_S
        self._row(
            f"nothing happens, {len(self._gateways)} gateways", "% of a core", number(used * 100)
        )

    async def _restarts(self) -> None:
        """The member comes back on another address, as a pod does."""
        seconds = []
        for turn in range(_RESTARTS):
            address, began = f"10.0.0.{turn}:9292", time.perf_counter()
            await self._member.come_back(address)

            knows = partial(_knows, address)
            seen = await asyncio.gather(*(gateway.until(knows) for gateway in self._gateways))
            seconds.append(max(seen) - began)
        what = "a partition service is back on another address"
        self._row(what, "ms until all know", _median_and_most(seconds))

    async def _a_member_joins(self, moves: int) -> None:
        began, cpu = time.perf_counter(), self._process.cpu_seconds()
        self._newcomer.start()
        planned = await asyncio.gather(
            *(gateway.until(lambda view: bool(view.moves)) for gateway in self._gateways)
        )
        what = f"a partition service joins, {self._partitions:,} partitions"
        self._row(what, "ms until all know the first moves", number((max(planned) - began) * 1e3))
        await asyncio.gather(*(gateway.until_placed(moves) for gateway in self._gateways))
        took, used = time.perf_counter() - began, self._process.cpu_seconds() - cpu
        requested_at = dict(list(self._newcomer.committed_at.items())[:moves])
        seconds = [
            max(gateway.placed_at[moved] for gateway in self._gateways) - at
            for moved, at in requested_at.items()
            if all(moved in gateway.placed_at for gateway in self._gateways)
        ]
        self._row(
            "a partition's owner changes",
            "ms from COMMIT until all know",
            _median_and_most(seconds),
        )
        self._row(f"{moves} moves without data", "a second, 2 at once", number(moves / took))
        self._row(f"{moves} moves without data", "CPU ms for each", number(used * 1e3 / moves))

    def _memory(self, when: str) -> None:
        self._row(f"memory: {when}", "MiB", number(self._process.memory().rss / 2**20))

    def _row(self, what: str, unit: str, value: str) -> None:
        self.rows.append((what, unit, value))


def _knows(address: str, view: ClusterView) -> bool:
    return any(member.address == address for member in view.members)


def _median_and_most(seconds: Sequence[float]) -> str:
    return f"{number(statistics.median(seconds) * 1e3)}, at most {number(max(seconds) * 1e3)}"


@contextmanager
def _metadata_service(folder: Path) -> Iterator[tuple[Process, str]]:
    settings = ("grpc.listen=127.0.0.1:0", f"data.dir={folder / 'metadata'}")
    flags = [word for setting in settings for word in ("--set", setting)]
    process = Process("metadata", ["-m", "metadata_svc", *flags], log_path=folder / "metadata.log")
    try:
        yield process, process.wait_for_line(r"gRPC on ([\d.]+:\d+)\n")[1]
    finally:
        process.stop()


async def _run(arguments: argparse.Namespace, process: Process, address: str) -> Bench:
    bench = Bench(process, address, arguments.gateways, arguments.partitions)
    await bench.run(arguments.moves)
    return bench


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster.watch", description=__doc__)
    parser.add_argument("--partitions", type=int, default=10_000)
    parser.add_argument("--gateways", type=int, default=50)
    parser.add_argument("--moves", type=int, default=100, help="to wait for when a member joins")
    parser.add_argument("--data-dir", type=Path, help="where (a temporary directory)")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=arguments.data_dir, prefix="ringlog-bench-") as name,
        _metadata_service(Path(name)) as (process, address),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        bench = runner.run(_run(arguments, process, address))
        about = machine.describe(Path(name))
    print("".join(f"- {what}: {words}\n" for what, words in about.items()))
    print(markdown.table(("what", "unit", "value"), bench.rows))


if __name__ == "__main__":
    main()
