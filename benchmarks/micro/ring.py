"""The ring from 3 to 1,000 members and 10 to 1,000,000 partitions: evenness, moves, time, memory.

`python -m benchmarks.micro.ring` prints a table; `--write-docs` puts it into docs/placement.md.
Each case runs in a process of its own, so that its memory is its own.
"""

import argparse
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, TypeVar

from benchmarks.report import document, markdown
from common.cluster.hash_circle import PartitionKey
from common.cluster.ring import HashRing, max_load

_PAGE = Path(__file__).parent.parent.parent / "docs" / "placement.md"
_CASES = (
    (3, 10),
    (3, 1_000),
    (10, 1_000),
    (10, 100_000),
    (100, 100),
    (100, 10_000),
    (100, 1_000_000),
    (1_000, 10),
    (1_000, 10_000),
    (1_000, 100_000),
    (1_000, 1_000_000),
)
#: Partitions of each topic; the last topic may have fewer.
_TOPIC = 12
_CHANGES = 5

_HEADER = (
    "members",
    "partitions",
    "fewest … most",
    "cap",
    "a share",
    "join moves",
    "leave moves",
    "build s",
    "place s",
    "join s",
    "leave s",
    "ring MiB",
    "table MiB",
    "peak MiB",
)

T = TypeVar("T")


class Case(NamedTuple):
    """Result of one case. Moves are the most of some changes; times the longest, in CPU seconds."""

    members: int
    partitions: int
    fewest: int
    most: int
    join_moves: int
    leave_moves: int
    build: float
    place: float
    join: float
    leave: float
    ring_mib: float
    table_mib: float
    peak_mib: float


def measure(members: int, partitions: int) -> Case:
    """Measures placing all partitions, then members that join and leave."""
    base = _mib()
    build, ring = _timed(lambda: HashRing([f"partition-{number}" for number in range(members)]))
    ring_mib = _mib() - base
    keys = [_key(number) for number in range(partitions)]
    place, owners = _timed(partial(ring.place, keys, {}))
    current = dict(zip(keys, owners, strict=True))
    del keys, owners
    table_mib = _mib() - base - ring_mib
    counts = Counter(current.values())
    spread = [counts[name] for name in ring.members]
    joins, leaves = _changes(ring, current)
    return Case(
        members,
        partitions,
        min(spread),
        max(spread),
        max(moves for _, moves in joins),
        max(moves for _, moves in leaves),
        build,
        place,
        max(seconds for seconds, _ in joins),
        max(seconds for seconds, _ in leaves),
        ring_mib,
        table_mib,
        _mib() - base - ring_mib - table_mib,
    )


def _key(number: int) -> PartitionKey:
    return (number // _TOPIC).to_bytes(16, "big"), number % _TOPIC


def _changes(
    ring: HashRing, current: dict[PartitionKey, str]
) -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
    """Seconds and moves of each join, then of each leave; the ring is rebuilt each time."""
    joins, leaves = [], []
    members = list(ring.members)
    for number in range(_CHANGES):
        members.append(f"newcomer-{number}")
        joins.append(_change(members, current))
    for _ in range(_CHANGES):
        members.pop(0)
        leaves.append(_change(members, current))
    return joins, leaves


def _change(members: list[str], current: dict[PartitionKey, str]) -> tuple[float, int]:
    seconds, moves = _timed(lambda: HashRing(members).rebalance(current))
    current.update(moves)
    _check(members, current)
    return seconds, len(moves)


def _check(members: list[str], current: Mapping[PartitionKey, str]) -> None:
    counts = Counter(current.values())
    limit = max_load(len(current), len(members))
    if not counts.keys() <= set(members) or max(counts.values()) > limit:
        raise AssertionError(f"a member of {len(members)} has more than {limit} partitions")


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def _mib() -> float:
    """The most memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def render(cases: list[Case]) -> str:
    return markdown.table(_HEADER, [_row(case) for case in cases])


def _row(case: Case) -> list[str]:
    return [
        f"{case.members:,}",
        f"{case.partitions:,}",
        f"{case.fewest:,} … {case.most:,}",
        f"{max_load(case.partitions, case.members):,}",
        f"{-(-case.partitions // case.members):,}",
        f"{case.join_moves:,}",
        f"{case.leave_moves:,}",
        *(markdown.number(seconds) for seconds in (case.build, case.place, case.join, case.leave)),
        *(markdown.number(mib) for mib in (case.ring_mib, case.table_mib, case.peak_mib)),
    ]


def run() -> list[Case]:
    cases = []
    for members, partitions in _CASES:
        print(f"{members} members, {partitions} partitions", file=sys.stderr, flush=True)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            cases.append(process.submit(measure, members, partitions).result())
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.micro.ring", description=__doc__)
    parser.add_argument("--write-docs", action="store_true", help="put the table into docs")
    arguments = parser.parse_args()
    rendered = render(run())
    print(rendered)
    if arguments.write_docs:
        document.replace_section(_PAGE, rendered)


if __name__ == "__main__":
    main()
