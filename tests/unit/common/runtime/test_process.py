"""Real processes: signals, the event loop, exit statuses."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, sys
from common.runtime.process import ProcessSettings, run

class StartFailed(Exception):
    pass

async def main(stop):
    if sys.argv[1] == "failing":
        raise StartFailed("no space")
    print(type(asyncio.get_running_loop()).__module__, flush=True)
    await stop.wait()
    print("draining", flush=True)
    if sys.argv[1] == "hanging":
        await asyncio.Event().wait()

status = run("program", main, ProcessSettings(), cannot_run=(StartFailed,))
print("ended", flush=True)
sys.exit(status)
"""


@pytest.fixture
def start():
    """Starts the program in a mode; waits for its first line."""
    processes = []

    def start(mode):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, mode],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_every_process_raises_its_descriptor_limit(start):
    process, _ = start("stopping")
    limits = Path(f"/proc/{process.pid}/limits").read_text()
    _, _, _, soft, hard, _ = re.search("Max open files.*", limits)[0].split()
    assert soft == hard


def test_end_process_logs_the_reason_and_ends_at_once_from_a_thread():
    program = """
import atexit, threading
from common.runtime.process import end_process, set_up_logging
set_up_logging("ERROR")
atexit.register(print, "at exit")
thread = threading.Thread(target=end_process, args=("the disk is broken",))
thread.start()
thread.join()
print("after the end")
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert (
        "CRITICAL common.runtime.process: ending the process: the disk is broken" in result.stderr
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_stops_the_process_gracefully(start, number):
    process, loop = start("stopping")
    process.send_signal(number)
    out, err = process.communicate()
    assert loop.startswith("uvloop")
    assert out.splitlines() == ["draining", "ended"]
    assert f"{number.name}: stopping" in err
    assert process.returncode == 0


def test_a_second_signal_ends_the_process_at_once(start):
    process, _ = start("hanging")
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "draining\n"
    process.send_signal(signal.SIGINT)
    assert process.wait() == -signal.SIGINT


def test_an_error_at_the_start_is_printed_in_a_line(start):
    process, first_line = start("failing")
    _, err = process.communicate()
    assert first_line == "ended"
    assert err == "program: no space\n"
    assert process.returncode == 1
