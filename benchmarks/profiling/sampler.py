"""Sampling profiler: `python -m benchmarks.profiling.sampler FILE MODULE [ARGUMENT …]`.

Runs MODULE as `python -m` would. A timer of CPU time interrupts its main thread, where the event
loop is, and notes the stack, weighted with the CPU time that this thread used since the last note:
neither what other threads do nor what waits is counted. SIGUSR2 writes what was noted since the
last SIGUSR2 to FILE, in the form that `stacks` reads.

In the process itself and not from outside, because on few cores a sampler that is a process of its
own gets its turn when the sampled one waits: it sees system calls ten times too often.
"""

import runpy
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType

INTERVAL_S = 0.002


class Sampler:
    """Notes of the main thread, in microseconds by stack."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._noted: Counter[tuple[tuple[str, str], ...]] = Counter()
        self._last_s = time.thread_time()

    def start(self) -> None:
        signal.signal(signal.SIGPROF, self._note)
        signal.signal(signal.SIGUSR2, self._write)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)

    def _note(self, _: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            stack.append((frame.f_code.co_qualname, frame.f_code.co_filename))
            frame = frame.f_back
        now_s = time.thread_time()
        self._noted[tuple(stack)] += round((now_s - self._last_s) * 1e6)
        self._last_s = time.thread_time()

    def _write(self, _: int, __: FrameType | None) -> None:
        noted, self._noted = self._noted, Counter()
        lines = [
            ";".join(f"{name} ({path})" for name, path in reversed(stack)) + f" {micros}\n"
            for stack, micros in noted.items()
        ]
        # Whoever waits for the file sees all of it or nothing.
        unfinished = self._output.with_suffix(".part")
        unfinished.write_text("".join(lines))
        unfinished.replace(self._output)


def main() -> None:
    output, module, *arguments = sys.argv[1:]
    Sampler(Path(output)).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    main()
