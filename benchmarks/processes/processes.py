"""Child processes and what /proc says they used. Linux only, as the broker's own tuning is."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple, TypeVar

_T = TypeVar("_T")

STOP_SECONDS_MAX = 15.0
START_SECONDS_MAX = 60.0

#: The checkout that this file is in.
ROOT = Path(__file__).parent.parent.parent
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Memory(NamedTuple):
    """Resident bytes: all of them, and with shared pages divided among those who share them."""

    rss: int
    pss: int


class Process:
    """A running Python module of the checkout `root`; its output goes to `log_path`."""

    #: Program that gets the arguments.
    program: ClassVar[str] = sys.executable

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        log_path: Path,
        environment: Mapping[str, str] | None = None,
        root: Path = ROOT,
    ) -> None:
        self.name = name
        self.log_path = log_path
        with log_path.open("wb") as log:
            self.started_at = time.perf_counter()
            self._child = subprocess.Popen(
                [self.program, *arguments],
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    def cpu_seconds(self) -> float:
        """Time on a CPU of all threads, ended ones too, counted in nanoseconds by the scheduler."""
        # CPUCLOCK_SCHED of another process: clock_getcpuclockid(3), which Python does not have.
        return time.clock_gettime(~self.pid << 3 | 2)

    def cpu_seconds_by_thread(self) -> dict[str, float]:
        """The same for each name of threads that are alive now."""
        found: defaultdict[str, float] = defaultdict(float)
        for stat in Path(f"/proc/{self.pid}/task").glob("*/stat"):
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            fields = rest.split()
            found[name] += (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND
        return found

    def signal(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def memory(self) -> Memory:
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        fields = dict(re.findall(r"^(\w+): +(\d+) kB$", rollup, re.MULTILINE))
        return Memory(rss=int(fields["Rss"]) * 1024, pss=int(fields["Pss"]) * 1024)

    def wait_for_line(self, pattern: str) -> re.Match[str]:
        """First match of `pattern` in the output so far or to come.

        Raises:
            RuntimeError: the process ended, or time was up; the message holds its output.
        """
        return self.wait_until(lambda: re.search(pattern, self.log_path.read_text()))

    def wait_until(self, ready: Callable[[], _T | None]) -> _T:
        """Polls `ready` every 2 ms until it succeeds. Raises as `wait_for_line` does."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while self._child.poll() is None and time.monotonic() < deadline:
            if (found := ready()) is not None:
                return found
            time.sleep(0.002)
        raise RuntimeError(f"{self.name} did not get ready:\n{self.log_path.read_text()}")

    def stop(self) -> None:
        """SIGTERM, and SIGKILL where that does not help."""
        self._child.terminate()
        try:
            self._child.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
