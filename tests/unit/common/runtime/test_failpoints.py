"""A place does nothing unless it was asked for; then the process stays there, or dies there."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, logging
from common.runtime.failpoints import reach
logging.basicConfig(format="%(message)s")
async def go():
    await reach("a.place")
    print("past it", flush=True)
asyncio.run(go())
"""


def start(failpoints):
    environment = {} if failpoints is None else {"FAILPOINTS": failpoints}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


@pytest.mark.parametrize("failpoints", [None, "", "another.place=kill"])
def test_a_place_that_nobody_asked_for_is_passed_in_silence(failpoints):
    with start(failpoints) as process:
        assert process.communicate(timeout=60) == ("past it\n", "")


def test_a_process_kills_itself_where_it_is_told_to():
    with start("a.place=kill another=/nowhere") as process:
        told, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert told == ""


def test_a_process_stays_as_long_as_the_file_is_there(tmp_path):
    file = tmp_path / "hold"
    file.touch()
    with start(f"a.place={file}") as process:
        assert process.stderr.readline() == "failpoint a.place\n"
        assert process.poll() is None
        file.unlink()
        assert process.communicate(timeout=60) == ("past it\n", "")
