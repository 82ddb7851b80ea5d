"""Runs pytest several times, and runs each failed test once more, alone in a process of its own.

    python -m tests.support.flaky_runs ARGUMENTS [-- ARGUMENTS …]

Each group of arguments is one run of pytest. For tests with real clients or killed processes,
which have timeouts of their own: a test that passes when it is alone is listed as flaky, with the
output of both runs, and does not fail the command. More than three flaky tests do, as does a test
that fails twice. Each listed test is a bug that has to be found.
"""

import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FLAKY_MAX: Final = 3

_PYTEST: Final = (sys.executable, "-m", "pytest", "-p", "tests.support.failure_report")
#: pytest's exit codes: all passed, some failed. Any other is not about a test.
_PASSED: Final = 0
_FAILED: Final = 1

_print = functools.partial(print, flush=True)


@dataclass(frozen=True)
class Failure:
    test: str
    output: str


@dataclass(frozen=True)
class Flaky:
    """A test that failed among others and passed alone; `output` is of both runs."""

    test: str
    output: str


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0 if all tests passed, at least alone."""
    status = _PASSED
    flaky: list[Flaky] = []
    for run in _split(arguments):
        code, failures = _run(run)
        if code not in (_PASSED, _FAILED):
            status = code
        # Among many failures some are real: running all of them again would show nothing new.
        elif len(failures) + len(flaky) > FLAKY_MAX:
            _print(f"{len(failures)} tests failed, too many to run again")
            status = _FAILED
        else:
            for failure in failures:
                if not _is_flaky(failure, flaky):
                    status = _FAILED
    for test in flaky:
        _print(f"\n===== flaky: {test.test} =====\n{test.output}")
    for test in flaky:
        _print(f"FLAKY {test.test}")
    return status


def _split(arguments: Sequence[str]) -> list[list[str]]:
    runs: list[list[str]] = [[]]
    for argument in arguments:
        if argument == "--":
            runs.append([])
        else:
            runs[-1].append(argument)
    return runs


def _run(arguments: Sequence[str]) -> tuple[int, list[Failure]]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "failures.json")
        command = [*_PYTEST, "--failure-report", str(report), *arguments]
        code = subprocess.run(command, check=False).returncode
        failures = json.loads(report.read_text(encoding="utf-8")) if report.exists() else []
    return code, [Failure(**failure) for failure in failures]


def _is_flaky(failure: Failure, flaky: list[Flaky]) -> bool:
    """Runs the test alone; appends it to `flaky` and returns True if it passes now."""
    _print(f"\nrunning {failure.test} again, alone")
    command = [*_PYTEST, "-n", "0", "-rA", failure.test]
    rerun = subprocess.run(command, check=False, capture_output=True, text=True)
    if rerun.returncode != _PASSED:
        _print(f"{rerun.stdout}{rerun.stderr}")
        return False
    output = f"{failure.output}\n----- alone -----\n{rerun.stdout}{rerun.stderr}"
    flaky.append(Flaky(failure.test, output))
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
