"""Measurements that a round makes on each broker, and the plan that chooses among them."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import NamedTuple

from benchmarks.load import client
from benchmarks.processes.brokers import Broker
from benchmarks.report.goals import GOALS
from benchmarks.report.results import Results
from benchmarks.throughput import latency, throughput
from benchmarks.throughput.latency import LatencyCase
from benchmarks.throughput.throughput import (
    ACKS_ALL,
    PARTITION_COUNT,
    Pace,
    ProduceCase,
    Target,
)

FETCH_PARTITION_BYTES = 64 << 20
FULL_PACE = Pace(warm_up=0.3, measure=1.0)
_KAFKA_IN_WORDS = (
    "Apache Kafka runs beside ringlog in the same rounds: KRaft, one node, its defaults, and the "
    "options of its start scripts (G1, 1 GB of heap). It is compared at equal durability. acks=1 "
    "and fetches run on a Kafka that acknowledges from the page cache; acks=all runs on a second "
    "one, with log.flush.interval.messages=1, because a Kafka of one node acknowledges acks=all "
    "from the page cache by default too. Both JVMs run through all rounds. Before the first round "
    "each case is repeated, unmeasured, until the CPU time of a request stops falling, so that "
    "the JVM has compiled its code. A ratio is ringlog's value divided by Kafka's: the median of "
    "the ratios of the rounds."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Cases to measure, and their durations."""

    parts: frozenset[str]
    case_filter: str = ""
    pace: Pace = FULL_PACE
    latency_seconds: float = 4.0
    raw_seconds: float = 0.4
    rounds: int = 5
    starts: int = 9
    kafka: bool = False

    @property
    def in_words(self) -> str:
        words = (
            f"Medians over rounds: {self.rounds}. A throughput is measured for "
            f"{self.pace.measure} s each time, a latency for {self.latency_seconds} s. The load "
            "client runs on the same cores. Dirty pages are written to the disk before each "
            "measurement."
        )
        return f"{words}\n\n{_KAFKA_IN_WORDS}" if self.kafka else words


#: Metrics of one or more cases, by case name.
Measured = Mapping[str, Mapping[str, float]]


class Job(NamedTuple):
    """One measurement of a broker, on an empty topic of four partitions that it has for itself.

    `cases` are those that it measures.
    """

    name: str
    measure: Callable[[Target, str], Awaitable[Measured]]
    cases: Sequence[str]
    #: True if batches are synced before they are acknowledged, to ringlog's disk and to Kafka's.
    is_synced: bool = False

    @property
    def has_goal(self) -> bool:
        return any(goal.measures(case) for case in self.cases for goal in GOALS)


def chosen_jobs(plan: Plan) -> list[Job]:
    """The measurements of brokers that `plan` asks for."""
    return [
        job
        for part, jobs_of in _JOBS.items()
        if part in plan.parts
        for job in jobs_of(plan)
        if plan.case_filter in job.name
    ]


async def run_job(found: Results, job: Job, broker: Broker, topic: str) -> None:
    """Measures `broker` on a new `topic`."""
    await client.create_topic(broker.target.address, topic, PARTITION_COUNT)
    for case, metrics in (await job.measure(broker.target, topic)).items():
        found.add(case, broker.subject, metrics)


def _produce_jobs(plan: Plan) -> Iterator[Job]:
    for case, acks in product(throughput.PRODUCE_CASES, throughput.EVERY_ACKS):
        name = case.with_acks(acks)
        measure = partial(_produce, case, acks, plan.pace)
        yield Job(name, measure, [name], is_synced=acks == ACKS_ALL)


async def _produce(
    case: ProduceCase, acks: int, pace: Pace, target: Target, topic: str
) -> Measured:
    metrics = await throughput.produce(target, topic, case, acks=acks, pace=pace)
    return {case.with_acks(acks): metrics}


def _fetch_jobs(plan: Plan) -> Iterator[Job]:
    for records in dict.fromkeys(case.records for case in throughput.FETCH_CASES):
        cases = [case.name for case in throughput.FETCH_CASES if case.records == records]
        yield Job(f"fetch, batches of {records}", partial(_fetch, records, plan.pace), cases)


async def _fetch(records: int, pace: Pace, target: Target, topic: str) -> Measured:
    await throughput.fill(target, topic, records, partition_bytes=FETCH_PARTITION_BYTES)
    return {
        case.name: await throughput.fetch(target, topic, case, pace=pace)
        for case in throughput.FETCH_CASES
        if case.records == records
    }


def _latency_jobs(plan: Plan) -> Iterator[Job]:
    for case in latency.CASES:
        cases = [case.name(latency.PRODUCED), case.name(latency.CONSUMED)]
        measure = partial(_latency, case, plan.latency_seconds)
        yield Job(f"latency, {case}", measure, cases, is_synced=case.acks == ACKS_ALL)


async def _latency(case: LatencyCase, seconds: float, target: Target, topic: str) -> Measured:
    measured = await latency.measure(target, topic, case, seconds=seconds)
    return {case.name(what): metrics for what, metrics in measured.items()}


_JOBS: Mapping[str, Callable[[Plan], Iterator[Job]]] = {
    "produce": _produce_jobs,
    "fetch": _fetch_jobs,
    "latency": _latency_jobs,
}
PARTS = ("raw", *_JOBS)
