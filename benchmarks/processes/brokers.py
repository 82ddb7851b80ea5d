"""Starts ringlog as a user would, standalone or as three processes, on free loopback ports."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar

from benchmarks.load import client, requests, responses
from benchmarks.processes.processes import ROOT, Memory, Process
from benchmarks.report.results import BASELINE, BASELINE_HOP, STANDALONE, THREE_PROCESSES
from benchmarks.throughput.throughput import Target

#: What the services log when they can be reached.
_KAFKA_ADDRESS = r"Kafka on ([\d.]+):(\d+) "
_GRPC_ADDRESS = r"gRPC on ([\d.]+:\d+)\n"
_PARTITION_SERVICE_JOINED = r"partition service partition-{} .*joined"

#: Names of the processes that clients connect to begin so.
_FRONTS = ("gateway", "ringlog", "baseline")

#: Arguments of Python that make it run the module named next. Gets a path of the process's own.
Run = Callable[[Path], Sequence[str]]


def plainly(_: Path) -> Sequence[str]:
    """Default `Run`: the plain interpreter, as users run it."""
    return ["-m"]


class Broker:
    """A running deployment: its processes, the one that clients talk to first."""

    #: True if it may cut the last batch of a partition in a Fetch response.
    cuts_batches: ClassVar[bool] = False

    def __init__(self, subject: str, processes: Sequence[Process]) -> None:
        self.subject = subject
        self.processes = processes
        #: Where Kafka clients are served, by gateway.
        self.addresses = self._find_addresses()
        self.target = Target(self.addresses[0], self.cpu_seconds, self.cuts_batches)

    def _find_addresses(self) -> list[tuple[str, int]]:
        """Reads them from the logs of the processes."""
        fronts = [process for process in self.processes if process.name.startswith(_FRONTS)]
        found = [front.wait_for_line(_KAFKA_ADDRESS).groups() for front in fronts]
        return [(host, int(port)) for host, port in found]

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time used so far, by process name."""
        return {process.name: process.cpu_seconds() for process in self.processes}

    def memory(self) -> Memory:
        """Memory of all processes together."""
        used = [process.memory() for process in self.processes]
        return Memory(sum(memory.rss for memory in used), sum(memory.pss for memory in used))

    async def first_answer(self) -> float:
        """Requests ApiVersions; returns the seconds from the start of the first process."""
        response = await client.call(self.target.address, requests.api_versions())
        responses.check_api_versions(response)
        return time.perf_counter() - min(process.started_at for process in self.processes)


@contextmanager
def standalone(data: Path, *, run: Run = plainly, root: Path | None = None) -> Iterator[Broker]:
    """`ringlog standalone` of the checkout `root`, or of this one, with its data below `data`."""
    process = _start(
        "ringlog",
        data,
        [*run(data / "ringlog"), "ringlog", "standalone"],
        ["--listen", "127.0.0.1:0", "--grpc-listen", "127.0.0.1:0", "--data-dir", str(data)],
        root,
    )
    with stopping(process):
        yield Broker(STANDALONE, [process])


@contextmanager
def three_processes(
    data: Path, *, run: Run = plainly, root: Path | None = None
) -> Iterator[Broker]:
    """The three services apart, on one machine; of the checkout `root`, or of this one."""
    with _services(data, run, ["partition"], ["gateway"], root) as processes:
        yield Broker(THREE_PROCESSES, processes)


@contextmanager
def cluster(data: Path, *, partitions: int, gateways: int) -> Iterator[Broker]:
    """Starts partition-0 …, gateway-0 …, and one metadata service."""
    members = [f"partition-{number}" for number in range(partitions)]
    names = [f"gateway-{number}" for number in range(gateways)]
    with _services(data, plainly, members, names) as processes:
        yield Broker(f"{partitions} + {gateways}", processes)


@contextmanager
def _services(
    data: Path,
    run: Run,
    members: Sequence[str],
    gateways: Sequence[str],
    root: Path | None = None,
) -> Iterator[list[Process]]:
    """Gateways first, then partition services, then the metadata service."""
    with ExitStack() as stack:

        def start(service: str, name: str, settings: dict[str, str]) -> Process:
            settings = {"grpc.listen": "127.0.0.1:0", **settings}
            flags = [word for item in settings.items() for word in ("--set", "=".join(item))]
            process = _start(name, data, [*run(data / name), f"{service}_svc"], flags, root)
            stack.enter_context(stopping(process))
            return process

        metadata = start("metadata", "metadata", {"data.dir": str(data / "metadata")})
        address = {"metadata.address": metadata.wait_for_line(_GRPC_ADDRESS)[1]}
        owners = []
        for number, name in enumerate(members):
            own = {"member.name": f"partition-{number}", "data.dir": str(data / name)}
            owners.append(start("partition", name, {**address, **own}))
            metadata.wait_for_line(_PARTITION_SERVICE_JOINED.format(number))
        own = {"listeners": "PLAINTEXT://127.0.0.1:0"}
        fronts = [
            start("gateway", name, {**address, **own, "node.id": str(number)})
            for number, name in enumerate(gateways)
        ]
        yield [*fronts, *owners, metadata]


@contextmanager
def baseline(data: Path, *, run: Run = plainly) -> Iterator[Broker]:
    """The design without features, in one process."""
    command = [*run(data / "baseline"), "benchmarks.baseline.process", "in-process"]
    process = _start("baseline", data, command, [str(data / "logs")])
    with stopping(process):
        yield Broker(BASELINE, [process])


@contextmanager
def baseline_hop(data: Path, *, run: Run = plainly) -> Iterator[Broker]:
    """The same with its logs in a process of their own, behind gRPC."""
    command = [*run(data / "owner"), "benchmarks.baseline.process", "owner"]
    owner = _start("owner", data, command, [str(data / "logs")])
    with stopping(owner):
        address = owner.wait_for_line(_GRPC_ADDRESS)[1]
        command = [*run(data / "baseline"), "benchmarks.baseline.process", "gateway"]
        gateway = _start("baseline", data, command, [address])
        with stopping(gateway):
            yield Broker(BASELINE_HOP, [gateway, owner])


DEPLOYMENTS = (standalone, three_processes)
#: The baseline of each of them, in the same order.
PEERS = (baseline, baseline_hop)


def _start(
    name: str, data: Path, command: Sequence[str], flags: Sequence[str], root: Path | None = None
) -> Process:
    data.mkdir(parents=True, exist_ok=True)
    return Process(name, [*command, *flags], log_path=data / f"{name}.log", root=root or ROOT)


@contextmanager
def stopping(process: Process) -> Iterator[None]:
    try:
        yield
    finally:
        process.stop()
