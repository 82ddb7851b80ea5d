"""Compares two checkouts: `python -m benchmarks.throughput.compare OTHER` beside this one.

Brokers of both run all the time, and each case alternates between them in slices of less than a
second, in changing order. So both meet the same minutes of the machine, which whole runs of
`make bench` do not. CPU time is counted by the scheduler, in nanoseconds.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop

from benchmarks.load import client
from benchmarks.processes import brokers
from benchmarks.processes.brokers import Broker
from benchmarks.report import results
from benchmarks.report.markdown import number, table
from benchmarks.report.results import Key, Results
from benchmarks.throughput import throughput
from benchmarks.throughput.throughput import PARTITION_COUNT, Pace, ProduceCase

OTHER, THIS = "other", "this"
_PACE = Pace(warm_up=0.15, measure=0.6)
_FETCH_BYTES = 16 << 20


class Comparison:
    """One deployment of both checkouts; `results` has a value for each slice."""

    def __init__(self, subjects: Sequence[tuple[str, Broker]], slices: int) -> None:
        self.results = Results()
        self._subjects = subjects
        self._slices = slices
        self._topics = 0

    async def produce(self, case: ProduceCase, acks: int) -> str:
        """Measures a case on empty topics; returns its name."""
        name = case.with_acks(acks)
        for subject, broker in self._turns():
            topic = await self._create_topic(broker)
            metrics = await throughput.produce(broker.target, topic, case, acks=acks, pace=_PACE)
            self.results.add(name, subject, metrics)
        return name

    async def fetch(self, case: throughput.FetchCase) -> str:
        """Measures a case on a topic that is filled once; returns its name."""
        topics: dict[str, str] = {}
        for subject, broker in self._subjects:
            topics[subject] = topic = await self._create_topic(broker)
            await throughput.fill(broker.target, topic, case.records, partition_bytes=_FETCH_BYTES)
        for subject, broker in self._turns():
            metrics = await throughput.fetch(broker.target, topics[subject], case, pace=_PACE)
            self.results.add(case.name, subject, metrics)
        return case.name

    def row(self, case: str) -> list[str]:
        """Requests and CPU of both, and the ratios of this checkout to the other one."""
        cells = [case]
        for metric in (results.REQUESTS, results.CPU):
            cells += [
                number(self.results.median(case, subject, metric)) for subject in (OTHER, THIS)
            ]
            cells.append(number(self.results.ratio(Key(case, THIS, metric), OTHER)))
        return cells

    def _turns(self) -> Iterator[tuple[str, Broker]]:
        for turn in range(self._slices):
            yield from self._subjects if turn % 2 else reversed(self._subjects)

    async def _create_topic(self, broker: Broker) -> str:
        self._topics += 1
        topic = f"compared-{self._topics}"
        await client.create_topic(broker.target.address, topic, PARTITION_COUNT)
        return topic


async def _compare(arguments: argparse.Namespace, directory: Path) -> None:
    for deploy in brokers.DEPLOYMENTS:
        if arguments.deployment not in (None, deploy.__name__):
            continue
        with ExitStack() as stack:
            subjects = [
                (name, stack.enter_context(deploy(directory / deploy.__name__ / name, root=root)))
                for name, root in ((OTHER, arguments.other), (THIS, None))
            ]
            comparison = Comparison(subjects, arguments.slices)
            rows = [
                comparison.row(await comparison.produce(case, acks))
                for case in throughput.PRODUCE_CASES
                for acks in throughput.EVERY_ACKS
                if arguments.case in case.with_acks(acks)
            ]
            rows += [
                comparison.row(await comparison.fetch(case))
                for case in throughput.FETCH_CASES
                if arguments.case in case.name
            ]
        header = [deploy.__name__, *_columns(results.REQUESTS), *_columns("CPU us")]
        print(table(header, rows), flush=True)


def _columns(metric: str) -> list[str]:
    return [f"{metric}, {OTHER}", THIS, "ratio"]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput.compare", description=__doc__
    )
    parser.add_argument("other", type=Path, help="root of the other checkout")
    parser.add_argument("--case", default="", help="only cases with this in their names")
    parser.add_argument("--slices", type=int, default=8, help="measurements of a case for each")
    parser.add_argument(
        "--deployment", choices=[deployment.__name__ for deployment in brokers.DEPLOYMENTS]
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        uvloop.run(_compare(arguments, Path(directory)))


if __name__ == "__main__":
    main()
