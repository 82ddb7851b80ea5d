import signal
import subprocess
import sys
import time

from benchmarks.profiling import stacks

PROGRAM = """
import sys, time

def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass

def main():
    print("ready", flush=True)
    while True:
        spin(float(sys.argv[1]))

main()
"""


def test_samples_of_a_program_name_the_function_that_used_the_cpu(tmp_path):
    (tmp_path / "program_to_sample.py").write_text(PROGRAM)
    output = tmp_path / "stacks"
    command = [
        sys.executable,
        "-m",
        "benchmarks.profiling.sampler",
        output,
        "program_to_sample",
        "0.05",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={"PYTHONPATH": str(tmp_path)}
    ) as program:
        try:
            assert program.stdout.readline() == b"ready\n"
            samples = {}
            while not any(frame.startswith("spin ") for frame in samples):
                output.unlink(missing_ok=True)
                program.send_signal(signal.SIGUSR2)
                while not output.exists():
                    assert program.poll() is None
                    time.sleep(0.001)
                samples = stacks.by_function(stacks.read(output))
        finally:
            program.kill()
    assert max(samples, key=samples.__getitem__).startswith("spin ")
