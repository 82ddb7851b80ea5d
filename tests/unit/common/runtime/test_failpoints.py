"""Real processes with and without failpoints."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, logging
from common.runtime.failpoints import reach
logging.basicConfig(format="%(message)s")
async def main():
    await reach("a.place")
    print("passed", flush=True)
asyncio.run(main())
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
def test_a_failpoint_does_nothing_unless_it_is_set(failpoints):
    with start(failpoints) as process:
        assert process.communicate(timeout=60) == ("passed\n", "")


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
        assert process.communicate(timeout=60) == ("passed\n", "")
