"""A process as a whole: what signals do to it, and which loop it runs on."""

import gc
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from common.runtime.process import collect_less_often

PROGRAM = """
import asyncio, sys
from common.runtime.process import ProcessSettings, run

class Trouble(Exception):
    pass

async def main(stop):
    if sys.argv[1] == "troubled":
        raise Trouble("no room")
    print(type(asyncio.get_running_loop()).__module__, flush=True)
    await stop.wait()
    print("draining", flush=True)
    if sys.argv[1] == "stubborn":
        await asyncio.Event().wait()

status = run("program", main, ProcessSettings(), cannot_run=(Trouble,))
print("ended", flush=True)
sys.exit(status)
"""


@pytest.fixture
def start():
    """Starts the program; waits until its loop runs."""
    started = []

    def start(manner):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, manner],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


LIMITED = """
import resource, sys
from common.runtime.process import raise_descriptor_limit, set_up_logging
soft, hard = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
set_up_logging("INFO")
limit = raise_descriptor_limit()
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (limit, hard)
print(limit)
"""


@pytest.mark.parametrize(("soft", "hard", "is_low"), [(256, 8192, False), (256, 1024, True)])
def test_the_soft_limit_of_descriptors_is_raised_and_a_low_one_warned_of(soft, hard, is_low):
    command = [sys.executable, "-c", LIMITED, str(soft), str(hard)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(ended.stdout) == hard
    assert ("WARNING" in ended.stderr and str(hard) in ended.stderr) == is_low


def test_every_service_raises_it(start):
    process, _ = start("polite")
    limits = Path(f"/proc/{process.pid}/limits").read_text()
    _, _, _, soft, hard, _ = re.search("Max open files.*", limits)[0].split()
    assert soft == hard


def test_a_process_that_is_ended_from_a_thread_tells_why_and_runs_nothing_more():
    program = """
import atexit, threading
from common.runtime.process import end_process, set_up_logging
set_up_logging("ERROR")
atexit.register(print, "at exit")
thread = threading.Thread(target=end_process, args=("the disk is broken",))
thread.start()
thread.join()
print("after it")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "CRITICAL common.runtime.process: ending the process: the disk is broken" in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda one: one.name)
def test_a_signal_stops_the_process_politely(start, number):
    process, loop = start("polite")
    process.send_signal(number)
    out, err = process.communicate()
    assert loop.startswith("uvloop")
    assert out.splitlines() == ["draining", "ended"]
    assert f"{number.name}: stopping" in err
    assert process.returncode == 0


def test_a_second_signal_ends_it_at_once(start):
    process, _ = start("stubborn")
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "draining\n"
    process.send_signal(signal.SIGINT)
    assert process.wait() == -signal.SIGINT


def test_what_keeps_it_from_running_is_told_in_a_line(start):
    process, first_line = start("troubled")
    _, err = process.communicate()
    assert first_line == "ended"
    assert err == "program: no room\n"
    assert process.returncode == 1


def test_the_collector_leaves_alone_what_is_there_and_looks_at_the_rest_less_often():
    before = gc.get_threshold()
    try:
        collect_less_often()
        assert gc.get_freeze_count() > 0
        assert gc.isenabled()
        assert all(now > then for now, then in zip(gc.get_threshold(), before, strict=True))
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
