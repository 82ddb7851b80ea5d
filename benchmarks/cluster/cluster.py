"""Several partition services and gateways on one machine: `python -m benchmarks.cluster.cluster`.

Each round starts one cluster of each size after the other, and loads every gateway at full speed:
Produce of batches of 100 records, then Fetch of what is there, over a topic of six partitions. On
few cores more processes cannot be faster. What they show is the CPU time that each service takes
for a megabyte, and whether that grows with the number of services.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import uvloop

from benchmarks.load import client, requests
from benchmarks.load.client import Load
from benchmarks.load.fetch import FetchLoad
from benchmarks.load.produce import ProduceFrames, ProduceLoad, StoredBatches
from benchmarks.processes import brokers
from benchmarks.processes.brokers import Broker
from benchmarks.report import machine, markdown, results
from benchmarks.report.markdown import number
from benchmarks.report.results import Results
from benchmarks.throughput.throughput import ACKS_ALL, ACKS_LEADER

SHAPES = tuple(product((1, 2, 3), (1, 2)))
SERVICES = ("gateway", "partition", "metadata")

_PARTITIONS = 6
_RECORDS, _VALUE = 100, b"v" * 100
_FETCH_BYTES = 1 << 20
_PRODUCE = {ACKS_LEADER: "produce, acks=1", ACKS_ALL: "produce, acks=all"}
_FETCH = "fetch"
_TOPIC = "cluster"


async def measure(found: Results, directory: Path, *, seconds: float, in_flight: int) -> None:
    """One round: every shape once, each on a fresh cluster."""
    for partitions, gateways in SHAPES:
        data = directory / f"{partitions}-{gateways}"
        with brokers.cluster(data, partitions=partitions, gateways=gateways) as broker:
            for acks, case in _PRODUCE.items():
                topic = f"{_TOPIC}{acks}"
                await client.create_topic(broker.target.address, topic, _PARTITIONS)
                found.add(
                    case, broker.subject, await _produce(broker, topic, acks, seconds, in_flight)
                )
            filled = f"{_TOPIC}{ACKS_LEADER}"
            found.add(_FETCH, broker.subject, await _fetch(broker, filled, seconds))


async def _produce(
    broker: Broker, topic: str, acks: int, seconds: float, in_flight: int
) -> dict[str, float]:
    stored = StoredBatches(partition_count=_PARTITIONS, records_per_batch=_RECORDS)
    batch = requests.record_batch(_VALUE, _RECORDS)
    loads = [
        ProduceLoad(
            ProduceFrames(topic, batch, acks=acks, partitions=own, count=in_flight * len(own)),
            stored,
            in_flight=in_flight,
        )
        for own in _shares(broker)
    ]
    metrics = await _measure(
        broker, loads, seconds, lambda: len(batch) * sum(load.completed for load in loads)
    )
    stored.check()
    return metrics


async def _fetch(broker: Broker, topic: str, seconds: float) -> dict[str, float]:
    loads = [
        FetchLoad(
            requests.FetchRequest(
                topic, range(_PARTITIONS), partition_bytes_max=_FETCH_BYTES, max_wait_ms=500
            ),
            response_bytes_max=(_PARTITIONS + 1) * _FETCH_BYTES,
            rewind=True,
        )
        for _ in broker.addresses
    ]
    return await _measure(broker, loads, seconds, lambda: sum(load.record_bytes for load in loads))


def _shares(broker: Broker) -> list[list[int]]:
    """The partitions that each gateway is sent, as clients would that follow its leadership."""
    gateways = len(broker.addresses)
    return [list(range(first, _PARTITIONS, gateways)) for first in range(gateways)]


async def _measure(
    broker: Broker, loads: Sequence[Load], seconds: float, done_bytes: Callable[[], int]
) -> dict[str, float]:
    for address, load in zip(broker.addresses, loads, strict=True):
        await client.start(address, [load])
    await asyncio.sleep(seconds / 3)
    began, bytes_before, cpu_before = time.perf_counter(), done_bytes(), _cpu(broker)
    await asyncio.sleep(seconds)
    took, cpu = time.perf_counter() - began, _cpu(broker)
    megabytes = (done_bytes() - bytes_before) / 1e6
    await client.finish(loads)
    return {
        results.MEGABYTES: megabytes / took,
        **{
            _metric(service): (cpu[service] - cpu_before[service]) * 1e3 / megabytes
            for service in SERVICES
        },
    }


def _cpu(broker: Broker) -> dict[str, float]:
    """CPU seconds of each service, over all its processes."""
    used = broker.cpu_seconds()
    return {
        service: sum(seconds for name, seconds in used.items() if name.startswith(service))
        for service in SERVICES
    }


def _metric(service: str) -> str:
    return f"{service} CPU ms/MB"


def render(found: Results) -> str:
    header = (
        "case",
        "partition services",
        "gateways",
        "MB/s",
        *(f"{service} CPU ms/MB" for service in SERVICES),
        "together",
        "of 1 + 1",
    )
    rows = [_row(found, case, shape) for case in found.cases(results.MEGABYTES) for shape in SHAPES]
    return markdown.table(header, rows)


def _row(found: Results, case: str, shape: tuple[int, int]) -> list[str]:
    def of(subject: str) -> list[float]:
        return [found.median(case, subject, _metric(service)) or 0.0 for service in SERVICES]

    partitions, gateways = shape
    subject = f"{partitions} + {gateways}"
    cpu = of(subject)
    return [
        case,
        str(partitions),
        str(gateways),
        number(found.median(case, subject, results.MEGABYTES)),
        *map(number, cpu),
        number(sum(cpu)),
        number(sum(cpu) / sum(of("1 + 1"))),
    ]


async def _run(arguments: argparse.Namespace, directory: Path) -> Results:
    found = Results()
    for number_of_round in range(arguments.rounds):
        await measure(
            found,
            directory / str(number_of_round),
            seconds=arguments.seconds,
            in_flight=arguments.in_flight,
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster.cluster", description=__doc__
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each measurement")
    parser.add_argument("--in-flight", type=int, default=8, help="requests, on each connection")
    parser.add_argument("--data-dir", type=Path, help="where (a temporary directory)")
    arguments = parser.parse_args()
    before = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(dir=arguments.data_dir, prefix="ringlog-bench-") as name,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        about = machine.describe(Path(name))
        found = runner.run(_run(arguments, Path(name)))
    print("".join(f"- {what}: {words}\n" for what, words in about.items()))
    # Other processes use the cores, but do not change the CPU time of a megabyte.
    print(f"Load of the machine before: {before:.1f}. Rounds: {arguments.rounds}.")
    print(f"Requests in flight on each connection: {arguments.in_flight}.\n")
    print(render(found))


if __name__ == "__main__":
    main()
