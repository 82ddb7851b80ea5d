"""Time until a fresh process responds, and its memory use then."""

import compileall
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.load import client
from benchmarks.processes import brokers, kafka
from benchmarks.processes.brokers import Broker
from benchmarks.report import results
from benchmarks.report.results import STANDALONE, Results

FIRST_ANSWER = "exec to first ApiVersions answer, empty data directory"
REOPENED = "exec to first ApiVersions answer, 1,000 partitions on disk"
IMPORTS = "of that, importing modules"
BARE_PYTHON = "python -c pass"
VERSION = "ringlog version"
IDLE_MEMORY = "memory after start"
MANY_PARTITIONS_MEMORY = "memory with 1,000 partitions"
REOPENED_MEMORY = "memory after start with 1,000 partitions"
CREATE_PARTITIONS = "creating a topic of 1,000 partitions"
PARTITION_COUNT = 1000
RSS = "RSS MiB"
PSS = "PSS MiB"
SHARE = "share"
#: User and system time of all threads: other load on the machine changes it less than the time.
CPU_SECONDS = "CPU s"

_ROOT = Path(__file__).parents[2]
_PACKAGES = ("common", "gateway_svc", "metadata_svc", "partition_svc", "protos", "ringlog")

#: Starts a deployment with its data in a directory.
Start = Callable[[Path], AbstractContextManager[Broker]]
#: A start of Kafka takes ten times as long.
_KAFKA_STARTS_MAX = 3


async def measure(found: Results, directory: Path, *, starts: int, with_kafka: bool) -> None:
    """Starts brokers `starts` times on an empty directory, then with partitions."""
    _write_bytecode()
    for _ in range(starts):
        found.add(BARE_PYTHON, results.RAW, _run("-c", "pass"))
        found.add(VERSION, STANDALONE, _run("-m", "ringlog", "version"))
    await _measure_start(found, directory / "ringlog", brokers.standalone, starts)
    await _import_share(found, directory / "imports")
    if with_kafka:
        starts = min(starts, _KAFKA_STARTS_MAX)
        await _measure_start(found, directory / "kafka", kafka.kafka, starts)


async def _measure_start(found: Results, directory: Path, start: Start, starts: int) -> None:
    for number in range(starts):
        await _first_answer(found, FIRST_ANSWER, start, directory / str(number), IDLE_MEMORY)
    await _with_partitions(found, start, directory / "partitions", starts)


def _write_bytecode() -> None:
    """Compiles the packages as an installation does, also if Python may not write bytecode here.

    Without bytecode a start takes twice as long.
    """
    for package in _PACKAGES:
        compileall.compile_dir(_ROOT / package, quiet=1)


def _run(*arguments: str) -> dict[str, float]:
    """Runs Python until it ends; returns the time and the CPU time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    command = [sys.executable, *arguments]
    subprocess.run(command, cwd=_ROOT, stdout=subprocess.DEVNULL, check=True)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {results.SECONDS: seconds, CPU_SECONDS: cpu}


async def _first_answer(
    found: Results, case: str, start: Start, data: Path, memory_case: str
) -> None:
    with start(data) as broker:
        seconds = await broker.first_answer()
        cpu = sum(broker.cpu_seconds().values())
        found.add(case, broker.subject, {results.SECONDS: seconds, CPU_SECONDS: cpu})
        _memory(found, memory_case, broker)


def _memory(found: Results, case: str, broker: Broker) -> None:
    rss, pss = broker.memory()
    found.add(case, broker.subject, {RSS: rss / 2**20, PSS: pss / 2**20})


async def _import_share(found: Results, data: Path) -> None:
    """Total of -X importtime divided by the time of the same start."""
    with brokers.standalone(data, run=lambda _: ["-X", "importtime", "-m"]) as broker:
        seconds = await broker.first_answer()
        output = broker.processes[0].log_path.read_text()
    lines = re.findall(r"^import time: +(\d+) \|", output, re.MULTILINE)
    share = sum(map(int, lines)) / 1e6 / seconds
    found.add(IMPORTS, STANDALONE, {SHARE: share})


async def _with_partitions(found: Results, start: Start, data: Path, starts: int) -> None:
    with start(data) as broker:
        await broker.first_answer()
        started = time.perf_counter()
        await client.create_topic(broker.target.address, "wide", PARTITION_COUNT)
        took = time.perf_counter() - started
        found.add(CREATE_PARTITIONS, broker.subject, {results.SECONDS: took})
        _memory(found, MANY_PARTITIONS_MEMORY, broker)
    for _ in range(starts):
        await _first_answer(found, REOPENED, start, data, REOPENED_MEMORY)
