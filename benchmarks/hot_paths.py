"""Where the time goes: `python -m benchmarks.hot_paths` samples the broker under load.

Needs py-spy (`pip install py-spy`), which reads the stacks of a running process from outside, so
the broker runs unchanged and compiled code is seen from the Python function that called it. For
each process: CPU time per request by layer, and by the functions that were running.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import uvloop

from benchmarks import brokers, results, stacks
from benchmarks.brokers import Broker
from benchmarks.markdown import number, table
from benchmarks.results import Results
from benchmarks.rounds import PARTS, Job, Plan, chosen_jobs, run_job
from benchmarks.throughput import Pace

SAMPLES_PER_SECOND = 400


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hot_paths", description=__doc__)
    parser.add_argument(
        "--case", default="1 x 100 B, 32 in flight, acks=1", help="a case's name: %(default)s"
    )
    parser.add_argument("--seconds", type=int, default=5, help="how long to sample: %(default)s")
    parser.add_argument("--top", type=int, default=25, help="functions to list: %(default)s")
    parser.add_argument("--py-spy", default="py-spy", help="the program to sample with")
    parser.add_argument(
        "--deployment",
        choices=[deployment.__name__ for deployment in brokers.DEPLOYMENTS],
        help="only this one",
    )
    return parser.parse_args()


async def _profile(arguments: argparse.Namespace, directory: Path) -> None:
    pace = Pace(warm_up=0.5, measure=arguments.seconds + 0.5)
    plan = Plan(frozenset(PARTS), case_filter=arguments.case, pace=pace)
    job = chosen_jobs(plan)[0]
    for deploy in brokers.DEPLOYMENTS:
        if arguments.deployment in (None, deploy.__name__):
            with deploy(directory / deploy.__name__) as broker:
                await _profile_broker(arguments, broker, job, directory)


async def _profile_broker(
    arguments: argparse.Namespace, broker: Broker, job: Job, directory: Path
) -> None:
    found = Results()
    await broker.first_answer()
    load = asyncio.create_task(run_job(found, job, broker, "hot"))
    await asyncio.sleep(0.5)
    recorded = {process.name: directory / f"{process.name}.stacks" for process in broker.processes}
    await asyncio.gather(
        *(_record(arguments, process.pid, recorded[process.name]) for process in broker.processes)
    )
    await load
    rate = found.median(job.name, broker.subject, results.REQUESTS)
    print(f"## {broker.subject}: {job.name}, {number(rate)} requests/s while sampled\n")
    for name, path in recorded.items():
        cpu = found.median(job.name, broker.subject, f"{name} {results.CPU}") or 0.0
        _print_process(name, stacks.read(path), cpu, arguments.top)


async def _record(arguments: argparse.Namespace, pid: int, output: Path) -> None:
    command = [arguments.py_spy, "record", "--pid", str(pid), "--output", str(output)]
    options = ["--format", "raw", "--full-filenames", "--nonblocking", "--threads"]
    timing = ["--rate", str(SAMPLES_PER_SECOND), "--duration", str(arguments.seconds)]
    sampler = await asyncio.create_subprocess_exec(
        *command,
        *options,
        *timing,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    if await sampler.wait():
        raise RuntimeError(f"py-spy could not sample process {pid}: may it trace processes?")


def _print_process(name: str, found: stacks.Stacks, cpu_us: float, top: int) -> None:
    total = sum(found.values()) or 1
    print(f"### {name}: {number(cpu_us)} us of CPU per request, {total} samples\n")
    print(_shares("layer", stacks.by_layer(found), total, cpu_us, top))
    print(_shares("running function", stacks.by_function(found), total, cpu_us, top))
    print(_shares("function and all it calls", stacks.by_ancestor(found), total, cpu_us, top))


def _shares(what: str, counts: Counter[str], total: int, cpu_us: float, top: int) -> str:
    rows = [
        (key, f"{100 * count / total:.1f} %", number(cpu_us * count / total))
        for key, count in counts.most_common(top)
    ]
    return table((what, "share", "us/request"), rows)


def main() -> None:
    arguments = _arguments()
    if shutil.which(arguments.py_spy) is None:
        sys.exit(f"{arguments.py_spy} not found: pip install py-spy, or name it with --py-spy")
    with tempfile.TemporaryDirectory(prefix="ringlog-hot-paths-") as directory:
        uvloop.run(_profile(arguments, Path(directory)))


if __name__ == "__main__":
    main()
