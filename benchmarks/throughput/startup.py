"""Time until a fresh process responds, and its memory use then."""

import re
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.load import client
from benchmarks.processes import brokers
from benchmarks.report import results
from benchmarks.report.results import STANDALONE, Results

FIRST_ANSWER = "exec to first ApiVersions answer, empty data directory"
REOPENED = "exec to first ApiVersions answer, 1,000 partitions on disk"
IMPORTS = "of that, importing modules"
BARE_PYTHON = "python -c pass"
IDLE_MEMORY = "memory after start"
MANY_PARTITIONS_MEMORY = "memory with 1,000 partitions"
CREATE_PARTITIONS = "creating a topic of 1,000 partitions"
PARTITION_COUNT = 1000
RSS = "RSS MiB"
PSS = "PSS MiB"
SHARE = "share"


async def measure(found: Results, directory: Path, *, starts: int) -> None:
    """Starts the standalone broker `starts` times on an empty directory, then with partitions."""
    for number in range(starts):
        data = directory / f"start-{number}"
        found.add(BARE_PYTHON, results.RAW, {results.SECONDS: _bare_python()})
        await _first_answer(found, FIRST_ANSWER, data, IDLE_MEMORY)
    await _import_share(found, directory / "imports")
    await _with_partitions(found, directory / "partitions", starts)


def _bare_python() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - started


async def _first_answer(found: Results, case: str, data: Path, memory_case: str) -> None:
    with brokers.standalone(data) as broker:
        found.add(case, STANDALONE, {results.SECONDS: await broker.first_answer()})
        _memory(found, memory_case, broker)


def _memory(found: Results, case: str, broker: brokers.Broker) -> None:
    rss, pss = broker.memory()
    found.add(case, STANDALONE, {RSS: rss / 2**20, PSS: pss / 2**20})


async def _import_share(found: Results, data: Path) -> None:
    """Total of -X importtime divided by the time of the same start."""
    with brokers.standalone(data, run=lambda _: ["-X", "importtime", "-m"]) as broker:
        seconds = await broker.first_answer()
        output = broker.processes[0].log_path.read_text()
    lines = re.findall(r"^import time: +(\d+) \|", output, re.MULTILINE)
    share = sum(map(int, lines)) / 1e6 / seconds
    found.add(IMPORTS, STANDALONE, {SHARE: share})


async def _with_partitions(found: Results, data: Path, starts: int) -> None:
    with brokers.standalone(data) as broker:
        await broker.first_answer()
        started = time.perf_counter()
        await client.create_topic(broker.target.address, "wide", PARTITION_COUNT)
        took = time.perf_counter() - started
        found.add(CREATE_PARTITIONS, STANDALONE, {results.SECONDS: took})
        _memory(found, MANY_PARTITIONS_MEMORY, broker)
    for _ in range(starts):
        await _first_answer(found, REOPENED, data, "memory after start with 1,000 partitions")
