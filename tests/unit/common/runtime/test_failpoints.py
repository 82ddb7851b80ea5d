"""Real processes with and without failpoints."""

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
def test_a_failpoint_that_is_not_set_does_nothing(failpoints):
    with start(failpoints) as process:
        assert process.communicate(timeout=60) == ("past it\n", "")


def test_a_process_kills_itself_at_its_failpoint():
    with start("a.place=kill another=/nowhere") as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert output == ""


def test_a_process_waits_at_its_failpoint_as_long_as_the_file_exists(tmp_path):
    file = tmp_path / "hold"
    file.touch()
    with start(f"a.place={file}") as process:
        assert process.stderr.readline() == "failpoint a.place\n"
        assert process.poll() is None
        file.unlink()
        assert process.communicate(timeout=60) == ("past it\n", "")
