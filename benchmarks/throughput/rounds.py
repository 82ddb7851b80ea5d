"""One round: every chosen case once, on fresh brokers, the deployments taking turns."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.limits import client_alone, machine_limits
from benchmarks.processes import brokers
from benchmarks.report import results
from benchmarks.report.results import Results
from benchmarks.throughput.jobs import Job, Plan, chosen_jobs, run_job
from benchmarks.throughput.kafka_peers import KafkaPeers


async def run_round(
    found: Results, directory: Path, plan: Plan, kafkas: KafkaPeers | None = None
) -> None:
    """Adds one value for each chosen case and deployment."""
    if "raw" in plan.parts:
        machine_limits.measure(found, directory, seconds=plan.raw_seconds)
        await _raw_grpc(found, plan.raw_seconds)
        await client_alone.measure(found, directory, plan.pace)
    if jobs := chosen_jobs(plan):
        await _run_jobs(found, directory, jobs, kafkas)


async def _run_jobs(
    found: Results, directory: Path, jobs: Sequence[Job], kafkas: KafkaPeers | None
) -> None:
    with ExitStack() as stack:
        ours, peers = (
            [stack.enter_context(start(directory / start.__name__)) for start in starts]
            for starts in (brokers.DEPLOYMENTS, brokers.PEERS)
        )
        for broker in (*ours, *peers):
            await broker.first_answer()
        topics = [(f"bench-{number}", job) for number, job in enumerate(jobs)]
        for topic, job in topics:
            for broker in (
                *ours,
                *(peers if job.has_goal else ()),
                *([kafkas.of_equal_durability(job)] if kafkas else ()),
            ):
                # What one broker left in the page cache is not written while the next is measured.
                os.sync()
                await run_job(found, job, broker, topic)
    if kafkas:
        await kafkas.delete_topics(topics)


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
