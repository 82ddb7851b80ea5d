"""The load client against canned responses: the upper limit of its measurements."""

from pathlib import Path

from benchmarks.limits.machine_limits import peer
from benchmarks.report import results
from benchmarks.report.results import Results
from benchmarks.throughput import throughput
from benchmarks.throughput.throughput import ACKS_LEADER, Pace, ProduceCase, Target

CASES = (
    throughput.SINGLE_SEQUENTIAL,
    throughput.SINGLE_PIPELINED,
    throughput.HUNDRED_PIPELINED,
    throughput.THOUSAND_PIPELINED,
)
_TOPIC = "canned"


def name(case: ProduceCase) -> str:
    return f"client alone, {case.name}"


async def measure(found: Results, directory: Path, pace: Pace) -> None:
    for case in CASES:
        with peer(directory, "canned", _TOPIC, str(case.records)) as address:
            target = Target(address, cpu_seconds=dict)
            metrics = await throughput.produce(target, _TOPIC, case, acks=ACKS_LEADER, pace=pace)
            found.add(name(case), results.RAW, metrics)
