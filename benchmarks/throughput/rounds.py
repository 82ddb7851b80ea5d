"""One round: every chosen case once, on fresh brokers, the deployments taking turns."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

from benchmarks.limits import client_alone, machine_limits
from benchmarks.load import client
from benchmarks.processes import brokers
from benchmarks.processes.brokers import Broker
from benchmarks.report import results
from benchmarks.report.goals import GOALS
from benchmarks.report.results import Results
from benchmarks.throughput import latency, throughput
from benchmarks.throughput.latency import LatencyCase
from benchmarks.throughput.throughput import PARTITION_COUNT, Pace, ProduceCase, Target

FETCH_PARTITION_BYTES = 64 << 20
FULL_PACE = Pace(warm_up=0.3, measure=1.0)


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

    @property
    def in_words(self) -> str:
        return (
            f"Medians over rounds: {self.rounds}. A throughput is measured for "
            f"{self.pace.measure} s each time, a latency for {self.latency_seconds} s. The load "
            "client runs on the same cores."
        )


#: Metrics of one or more cases, by case name.
Measured = Mapping[str, Mapping[str, float]]


class Job(NamedTuple):
    """One measurement of a broker, on an empty topic of four partitions that it has for itself.

    `cases` are those that it measures.
    """

    name: str
    measure: Callable[[Target, str], Awaitable[Measured]]
    cases: Sequence[str]

    @property
    def has_goal(self) -> bool:
        return any(goal.measures(case) for case in self.cases for goal in GOALS)


async def run_round(found: Results, directory: Path, plan: Plan) -> None:
    """Adds one value for each chosen case and deployment."""
    if "raw" in plan.parts:
        machine_limits.measure(found, directory, seconds=plan.raw_seconds)
        await _raw_grpc(found, plan.raw_seconds)
        await client_alone.measure(found, directory, plan.pace)
    if jobs := chosen_jobs(plan):
        await _run_jobs(found, directory, jobs)


def chosen_jobs(plan: Plan) -> list[Job]:
    """The measurements of brokers that `plan` asks for."""
    return [
        job
        for part, jobs_of in _JOBS.items()
        if part in plan.parts
        for job in jobs_of(plan)
        if plan.case_filter in job.name
    ]


async def _run_jobs(found: Results, directory: Path, jobs: Sequence[Job]) -> None:
    with ExitStack() as stack:
        ours, peers = (
            [stack.enter_context(start(directory / start.__name__)) for start in starts]
            for starts in (brokers.DEPLOYMENTS, brokers.PEERS)
        )
        for broker in (*ours, *peers):
            await broker.first_answer()
        for number, job in enumerate(jobs):
            for broker in (*ours, *(peers if job.has_goal else ())):
                await run_job(found, job, broker, f"bench-{number}")


async def run_job(found: Results, job: Job, broker: Broker, topic: str) -> None:
    """Measures `broker` on a new `topic`."""
    await client.create_topic(broker.target.address, topic, PARTITION_COUNT)
    for case, metrics in (await job.measure(broker.target, topic)).items():
        found.add(case, broker.subject, metrics)


async def _raw_grpc(found: Results, seconds: float) -> None:
    """In a process of its own: grpc.aio would share this one's loop with what follows."""
    hop = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.limits.grpc_hop",
        str(seconds),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await hop.communicate()
    for case, metrics in json.loads(output).items():
        found.add(case, results.RAW, metrics)


def _produce_jobs(plan: Plan) -> Iterator[Job]:
    for case, acks in product(throughput.PRODUCE_CASES, throughput.EVERY_ACKS):
        name = case.with_acks(acks)
        yield Job(name, partial(_produce, case, acks, plan.pace), [name])


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
        yield Job(f"latency, {case}", partial(_latency, case, plan.latency_seconds), cases)


async def _latency(case: LatencyCase, seconds: float, target: Target, topic: str) -> Measured:
    measured = await latency.measure(target, topic, case, seconds=seconds)
    return {case.name(what): metrics for what, metrics in measured.items()}


_JOBS: Mapping[str, Callable[[Plan], Iterator[Job]]] = {
    "produce": _produce_jobs,
    "fetch": _fetch_jobs,
    "latency": _latency_jobs,
}
PARTS = ("raw", *_JOBS)
