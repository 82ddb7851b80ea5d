"""Failed tests run once more, alone; those that pass then are listed and do not fail the run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

#: Fails when it runs for the first time in a folder, and passes from then on.
FLAKY = """
import pathlib, pytest

@pytest.mark.parametrize("number", range({count}))
def test_first_run_fails(number):
    marker = pathlib.Path(__file__).with_name(f"ran-{{number}}")
    has_run = marker.exists()
    marker.touch()
    print("output of run", 2 if has_run else 1)
    assert has_run
"""
FAILS = "def test_always_fails():\n    print('it fails')\n    assert False\n"
PASSES = "def test_passes():\n    pass\n"
FAILS_IN_SETUP = """
import pathlib, pytest

@pytest.fixture
def broken():
    marker = pathlib.Path(__file__).with_name("was-set-up")
    has_run = marker.exists()
    marker.touch()
    assert has_run

def test_with_fixture(broken):
    pass
"""


@pytest.fixture
def run(tmp_path):
    def run_files(*groups, options=()):
        """Runs pytest once for each group, over files of its texts; returns status and output."""
        arguments = []
        for number, texts in enumerate(groups):
            folder = tmp_path / f"run{number}"
            folder.mkdir()
            (folder / "pytest.ini").write_text("[pytest]\n")
            for name, text in enumerate(texts):
                (folder / f"test_{name}.py").write_text(text)
            arguments += ["--"] * bool(number) + [*options, "-p", "no:cacheprovider", str(folder)]
        command = [sys.executable, "-m", "tests.support.flaky_runs", *arguments]
        result = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTEST_ADDOPTS": ""},
        )
        return result.returncode, result.stdout + result.stderr

    return run_files


def test_a_flaky_test_is_listed_with_both_outputs_and_does_not_fail_the_run(run):
    status, output = run([FLAKY.format(count=1), PASSES], [PASSES])
    assert status == 0, output
    assert "FLAKY" in output
    listed = output[output.index("===== flaky:") :]
    assert "output of run 1" in listed
    assert "output of run 2" in listed


def test_a_test_that_fails_twice_fails_the_run(run):
    status, output = run([FAILS, FLAKY.format(count=1)], [PASSES])
    assert status == 1
    assert "it fails" in output
    assert output.count("FLAKY") == 1


def test_a_test_that_fails_in_its_setup_is_run_again(run):
    status, output = run([FAILS_IN_SETUP])
    assert status == 0, output
    assert "FLAKY" in output


@pytest.mark.parametrize(("counts", "status"), [((2, 1), 0), ((4,), 1), ((3, 1), 1)])
def test_more_than_three_flaky_tests_fail_the_run(run, counts, status):
    actual_status, output = run(*([FLAKY.format(count=count)] for count in counts))
    assert actual_status == status, output


def test_failures_in_workers_are_run_again(run):
    status, output = run([FLAKY.format(count=1)], options=("-n", "1"))
    assert status == 0, output
    assert "FLAKY" in output


def test_an_error_outside_tests_fails_the_run(run):
    status, _ = run([FLAKY.format(count=0) + "\nimport no_such_module"], [PASSES])
    assert status not in (0, 1)
