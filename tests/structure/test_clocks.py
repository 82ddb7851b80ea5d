"""Readers of the wall clock, which may jump: nothing detects by it whether a process is alive."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WALL_CLOCK = re.compile(
    r"from time import .*\b(time|time_ns)\b|\btime\.time(_ns)?\(|datetime\.(now|utcnow)\("
)

#: Modules, and their use of it. Leases, sessions, fences and pauses use the loop's monotonic clock.
READERS = {
    "metadata_svc/core.py": "producer ids after a restore; never below the stored id",
    "partition_svc/rpc/append_stream.py": "timestamps of typed records",
    "partition_svc/coordinator/runtime/coordinators.py": "times of commits and groups, expiry",
    "partition_svc/coordinator/runtime/writer.py": "timestamps of records",
    "partition_svc/log/commit/append.py": "timestamps, and silent producers as in Apache Kafka",
    "partition_svc/log/transfer/incoming.py": "silent producers of a moved log, as in Apache Kafka",
    "partition_svc/log/compaction/cleaner.py": "age of records, by their timestamps",
    "partition_svc/log/producer_expiration.py": "silent producers, as in Apache Kafka",
    "partition_svc/rpc/partition_servicer.py": "timestamps of typed records",
}

PACKAGES = ("common", "gateway_svc", "metadata_svc", "partition_svc", "ringlog")


def find_readers():
    paths = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {
        str(path.relative_to(ROOT)) for path in paths if WALL_CLOCK.search(path.read_text("utf-8"))
    }


def test_wall_clock_is_read_only_for_timestamps_and_expiry_of_data():
    assert find_readers() == set(READERS)


@pytest.mark.parametrize(
    ("line", "reads"),
    [
        ("from time import time", True),
        ("from time import monotonic", False),
        ("    now = time.time()", True),
        ("    now = loop.time()", False),
        ("    deadline = asyncio.get_running_loop().time() + 1", False),
    ],
)
def test_pattern_matches_the_wall_clock_and_not_the_loops(line, reads):
    assert bool(WALL_CLOCK.search(line)) is reads
