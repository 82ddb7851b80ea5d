"""Apache Kafka beside a run: started once, warmed up, and emptied after each round."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes import kafka
from benchmarks.processes.kafka import KafkaBroker
from benchmarks.report import results
from benchmarks.report.results import Results
from benchmarks.throughput import throughput
from benchmarks.throughput.jobs import Job, Plan, chosen_jobs, run_job
from benchmarks.throughput.throughput import Pace

#: Number of requests that warm up every JVM, whatever the plan has: a method is compiled after
#: thousands of calls. Many connections share a sync, so they are the fastest there.
_FIRST_CASE = throughput.SINGLE_CONNECTIONS.name
_FIRST_REQUESTS_MIN = 20_000
_PACE = Pace(warm_up=0.0, measure=2.0)
_LATENCY_SECONDS = 2.0
#: The CPU time of a request falls in steps, and is steady when it has not fallen below this part of
#: the lowest so often in a row.
_STEADY_PART = 0.95
_STEADY_COUNT = 2
_REPEATS_MAX = 8
_FIRST_REPEATS_MAX = 30


class KafkaPeers(NamedTuple):
    """A broker that acknowledges from the page cache, and one that syncs first."""

    page_cache: KafkaBroker
    flush: KafkaBroker

    def of_equal_durability(self, job: Job) -> KafkaBroker:
        """The broker that `job` is measured on."""
        return self.flush if job.is_synced else self.page_cache

    async def delete_topics(self, topics: Sequence[tuple[str, Job]]) -> None:
        """Deletes the topics of these jobs, and their files."""
        for kafka_broker in self:
            names = [name for name, job in topics if self.of_equal_durability(job) is kafka_broker]
            await kafka_broker.delete_topics(names)


@asynccontextmanager
async def running(directory: Path, plan: Plan) -> AsyncIterator[KafkaPeers | None]:
    """Both brokers, warmed up with the jobs of `plan`; None if it has none for them."""
    if not (plan.kafka and chosen_jobs(plan)):
        yield None
        return
    with ExitStack() as stack:
        kafkas = KafkaPeers(
            stack.enter_context(kafka.kafka(directory / "kafka")),
            stack.enter_context(kafka.kafka_flush(directory / "kafka-flush")),
        )
        await _warm_up(kafkas, plan)
        yield kafkas


async def _warm_up(kafkas: KafkaPeers, plan: Plan) -> None:
    """Runs every job, unmeasured, until the JVM has compiled what the job runs."""
    for kafka_broker in kafkas:
        await kafka_broker.first_answer()
    plan = replace(plan, pace=_PACE, latency_seconds=_LATENCY_SECONDS)
    first = replace(plan, parts=frozenset({"produce"}), case_filter=_FIRST_CASE)
    print("warming up Apache Kafka", file=sys.stderr, flush=True)
    for job in chosen_jobs(first):
        await _repeat(
            kafkas.of_equal_durability(job),
            job,
            requests_min=_FIRST_REQUESTS_MIN,
            repeats_max=_FIRST_REPEATS_MAX,
        )
    for job in chosen_jobs(plan):
        await _repeat(kafkas.of_equal_durability(job), job)


async def _repeat(
    kafka_broker: KafkaBroker,
    job: Job,
    *,
    requests_min: int = 0,
    repeats_max: int = _REPEATS_MAX,
) -> None:
    """Repeats `job` until the CPU time of its requests is steady, at most `repeats_max` times."""
    topics: list[str] = []
    cpu_us: list[float] = []
    requests, subject = 0.0, kafka_broker.subject
    while len(topics) < repeats_max and not (requests >= requests_min and is_steady(cpu_us)):
        found, topic = Results(), f"warm-up-{len(topics)}"
        topics.append(topic)
        await run_job(found, job, kafka_broker, topic)
        cpu_us.append(_total(found, job, subject, results.CPU))
        per_second = _total(found, job, subject, results.REQUESTS)
        requests += per_second * _PACE.measure
    await kafka_broker.delete_topics(topics)


def _total(found: Results, job: Job, subject: str, metric: str) -> float:
    """Sum over the cases of `job`; 0 where it does not measure `metric`, as for latency."""
    return sum(found.median(case, subject, metric) or 0.0 for case in job.cases)


def is_steady(cpu_us: Sequence[float]) -> bool:
    """True if the last values are not much lower than the lowest before them."""
    before, last = cpu_us[:-_STEADY_COUNT], cpu_us[-_STEADY_COUNT:]
    return bool(before) and min(last) >= min(before) * _STEADY_PART
