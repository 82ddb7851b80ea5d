"""Profiles of hot paths: `python -m benchmarks.profiling.hot_paths` samples the broker under load.

For each process: CPU time per request by thread, then what the event loop's thread spends it on,
by layer and by function. The processes run under `sampler`, otherwise as they always do.
"""

import argparse
import asyncio
import signal
import tempfile
from collections import Counter
from pathlib import Path

import uvloop

from benchmarks.processes import brokers
from benchmarks.processes.brokers import Broker
from benchmarks.processes.processes import Process
from benchmarks.profiling import stacks
from benchmarks.report import results
from benchmarks.report.markdown import number, table
from benchmarks.report.results import Results
from benchmarks.throughput.jobs import PARTS, Job, Plan, chosen_jobs, run_job
from benchmarks.throughput.throughput import Pace

WARM_UP_S = 0.5
_MIB = 1 << 20


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.profiling.hot_paths", description=__doc__
    )
    parser.add_argument(
        "--case",
        default="1 x 100 B, 32 in flight, acks=1",
        help="what the report calls it: %(default)s",
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="how long to sample")
    parser.add_argument("--top", type=int, default=25, help="how many functions to list")
    parser.add_argument(
        "--deployment",
        choices=[deployment.__name__ for deployment in brokers.DEPLOYMENTS],
        help="only this one",
    )
    return parser.parse_args()


async def _profile(arguments: argparse.Namespace, directory: Path) -> None:
    plan = Plan(frozenset(PARTS), arguments.case, Pace(WARM_UP_S, arguments.seconds))
    job = chosen_jobs(plan)[0]
    for deploy in brokers.DEPLOYMENTS:
        if arguments.deployment in (None, deploy.__name__):
            with deploy(directory / deploy.__name__, run=_sampled) as broker:
                await _profile_broker(broker, job, arguments)


def _sampled(own: Path) -> list[str]:
    return ["-m", "benchmarks.profiling.sampler", str(_output(own))]


def _output(own: Path) -> Path:
    return own.with_suffix(".stacks")


class _Profile:
    """One process between `begin` and `end`."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._output = _output(process.log_path.with_suffix(""))
        self._before: dict[str, float] = {}
        #: CPU seconds by thread name.
        self.threads: dict[str, float] = {}

    async def begin(self) -> None:
        await self._write()
        self._before = self.process.cpu_seconds_by_thread()

    async def end(self) -> None:
        after = self.process.cpu_seconds_by_thread()
        self.threads = {name: after[name] - self._before.get(name, 0.0) for name in after}
        await self._write()

    def stacks(self) -> stacks.Stacks:
        return stacks.read(self._output)

    async def _write(self) -> None:
        self._output.unlink(missing_ok=True)
        self.process.signal(signal.SIGUSR2)
        await asyncio.to_thread(self.process.wait_until, lambda: self._output.exists() or None)


async def _profile_broker(broker: Broker, job: Job, arguments: argparse.Namespace) -> None:
    found = Results()
    await broker.first_answer()
    profiles = [_Profile(process) for process in broker.processes]
    load = asyncio.create_task(run_job(found, job, broker, "hot"))
    await asyncio.sleep(WARM_UP_S)
    await asyncio.gather(*(profile.begin() for profile in profiles))
    await asyncio.sleep(arguments.seconds - WARM_UP_S)
    await asyncio.gather(*(profile.end() for profile in profiles))
    await load
    rate = found.median(found.cases(results.CPU)[0], broker.subject, results.REQUESTS) or 0.0
    print(f"## {broker.subject}: {job.name}, {number(rate)} requests/s while sampled\n")
    requests = rate * (arguments.seconds - WARM_UP_S)
    for profile in profiles:
        _print_profile(profile, requests, arguments.top)


def _print_profile(profile: _Profile, requests: float, top: int) -> None:
    threads = Counter({name: cpu * 1e6 for name, cpu in profile.threads.items()})
    found = profile.stacks()
    print(f"### {profile.process.name}: CPU time\n")
    print(_costs("threads", threads, requests, 8))
    print(_costs("layer, event loop's thread", stacks.by_layer(found), requests, top))
    print(_costs("function", stacks.by_function(found), requests, top))
    print(_costs("function and all it calls", stacks.by_ancestor(found), requests, top))


def _costs(what: str, micros: Counter[str], requests: float, top: int) -> str:
    most = max(micros.values(), default=0) if what.endswith("calls") else micros.total()
    rows = [
        (key, number(count / requests), f"{100 * count / most:.1f} %")
        for key, count in micros.most_common(top)
        if count
    ]
    return table((what, "us/request", "share"), rows)


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="ringlog-hot-paths-") as directory:
        uvloop.run(_profile(arguments, Path(directory)))


if __name__ == "__main__":
    main()
