"""`make bench`: everything, in rounds, in a quarter of an hour. `--help` lists what can be chosen.

A round starts fresh brokers and measures every case once on each of them, one after the other, so
that whatever else the machine does at that time touches both. The report gives medians of rounds.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import uvloop

from benchmarks.processes import kafka
from benchmarks.report import document, machine
from benchmarks.report.results import Results
from benchmarks.throughput import kafka_peers, startup
from benchmarks.throughput.jobs import PARTS, Plan
from benchmarks.throughput.rounds import run_round
from benchmarks.throughput.throughput import Pace
from common.runtime.runtime_tuning import keep_freed_memory
from tests.support.kafka import kafka_node

_ROOT = Path(__file__).parent.parent
_PAGE = _ROOT / "docs" / "performance.md"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of everything")
    parser.add_argument("--rounds", type=int, help="how many (5, with --quick 1)")
    parser.add_argument(
        "--only",
        metavar="PARTS",
        default=",".join((*PARTS, "startup")),
        help="comma-separated: %(default)s",
    )
    parser.add_argument("--case", default="", help="only cases whose name contains this text")
    parser.add_argument(
        "--kafka", action="store_true", help="also Apache Kafka (needs Java and Maven)"
    )
    parser.add_argument(
        "--data-dir", type=Path, help="where brokers keep their data (a temporary directory)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every value there")
    parser.add_argument(
        "--write-docs", action="store_true", help="put the report into docs/performance.md"
    )
    arguments = parser.parse_args()
    missing = [tool for tool in kafka_node.TOOLS if not shutil.which(tool)]
    if arguments.kafka and missing:
        parser.error(f"--kafka needs {' and '.join(missing)}")
    return arguments


def _plan(arguments: argparse.Namespace) -> Plan:
    parts = frozenset(arguments.only.split(","))
    plan = Plan(parts, arguments.case, kafka=arguments.kafka)
    if arguments.quick:
        plan = replace(
            plan, pace=Pace(0.2, 0.5), latency_seconds=2.0, raw_seconds=0.2, rounds=1, starts=3
        )
    return replace(plan, rounds=arguments.rounds) if arguments.rounds else plan


async def _run(plan: Plan, directory: Path) -> Results:
    found = Results()
    async with kafka_peers.running(directory, plan) as kafkas:
        for number in range(plan.rounds):
            print(f"round {number + 1} of {plan.rounds}", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory(dir=directory) as round_directory:
                await run_round(found, Path(round_directory), plan, kafkas)
    if "startup" in plan.parts:
        with tempfile.TemporaryDirectory(dir=directory) as startup_directory:
            await startup.measure(
                found, Path(startup_directory), starts=plan.starts, with_kafka=plan.kafka
            )
    return found


def main() -> None:
    arguments = _arguments()
    plan = _plan(arguments)
    # As the broker's processes do, so that the raw limits have the same memory to work with.
    keep_freed_memory()
    with tempfile.TemporaryDirectory(dir=arguments.data_dir, prefix="ringlog-bench-") as name:
        directory = Path(name)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(_run(plan, directory))
        described = machine.describe(directory)
        if plan.kafka:
            described |= {"Apache Kafka": kafka.versions()}
        rendered = document.render(found, described, plan.in_words)
    print(rendered)
    if arguments.json:
        arguments.json.write_text(json.dumps(found.as_rows(), indent=1))
    if arguments.write_docs:
        document.replace_section(_PAGE, rendered)


if __name__ == "__main__":
    main()
