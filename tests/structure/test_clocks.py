"""Who reads the wall clock, which may jump: nobody who judges by it whether somebody is alive."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WALL_CLOCK = re.compile(
    r"from time import .*\b(time|time_ns)\b|\btime\.time(_ns)?\(|datetime\.(now|utcnow)\("
)

#: What each does with it. Leases, sessions, fences and pauses go by the loop's monotonic clock.
READERS = {
    "metadata_svc/core.py": "producer ids after a restore; the stored id counts where it is behind",
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


def readers():
    paths = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {
        str(path.relative_to(ROOT)) for path in paths if WALL_CLOCK.search(path.read_text("utf-8"))
    }


def test_only_timestamps_and_expiry_of_data_go_by_the_wall_clock():
    assert readers() == set(READERS)


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
def test_the_wall_clock_is_told_from_the_loop_s(line, reads):
    assert bool(WALL_CLOCK.search(line)) is reads
