"""A process of a broker: starts it, reads its output, and kills it. Not specific to Kafka."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.waiting import eventually

REPOSITORY = Path(__file__).resolve().parents[3]
#: The installed command, in the folder of the interpreter that runs the tests.
RINGLOG = str(Path(sys.executable).with_name("ringlog"))

_TAIL_LINES = 60
_EXIT_WITHIN_S = 30.0


class BrokerProcess:
    """One running service. Its output (both streams) is read all the time, so it never blocks."""

    def __init__(
        self, name: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._lines: deque[str] = deque(maxlen=20_000)
        self._popen = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
        )
        self._pump = threading.Thread(target=self._read_output, daemon=True)
        self._pump.start()

    def _read_output(self) -> None:
        assert self._popen.stdout is not None
        with self._popen.stdout as output:
            for line in output:
                self._lines.append(line.decode(errors="replace").rstrip("\n"))

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    @property
    def lines(self) -> list[str]:
        return list(self._lines)

    def lines_with(self, pattern: str) -> list[str]:
        return [line for line in self.lines if re.search(pattern, line)]

    @property
    def tail(self) -> str:
        return "\n".join([f"--- last lines of {self.name}:", *self.lines[-_TAIL_LINES:]])

    def wait_for_line(self, pattern: str, *, within_s: float = 30.0, nth: int = 1) -> str:
        """Returns the nth line that matches; fails with the log if the process ends before."""

        def matching_lines() -> list[str]:
            lines = self.lines_with(pattern)[nth - 1 :]
            assert lines or self.is_running, f"{self.name} ended early\n{self.tail}"
            return lines

        return eventually(matching_lines, within_s=within_s, what=f"{pattern!r} from {self.name}")[
            0
        ]

    def kill(self) -> None:
        """Kills the process with SIGKILL, and waits for its end: no shutdown, no flush."""
        self._popen.kill()
        self._reap()

    def terminate(self) -> int:
        """Stops the process with SIGTERM, as a service manager does; returns the exit status."""
        self._popen.send_signal(signal.SIGTERM)
        return self._reap()

    def pause(self) -> None:
        """Stops the process with SIGSTOP: it keeps its sockets, but does not respond."""
        stop(self._popen)

    def resume(self) -> None:
        self._popen.send_signal(signal.SIGCONT)

    def wait_for_exit(self, *, within_s: float = _EXIT_WITHIN_S) -> int:
        return self._reap(within_s)

    def _reap(self, within_s: float = _EXIT_WITHIN_S) -> int:
        try:
            status = self._popen.wait(timeout=within_s)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
            raise AssertionError(f"{self.name} did not end\n{self.tail}") from None
        finally:
            self._pump.join(timeout=_EXIT_WITHIN_S)
        return status

    def resident_bytes(self) -> int:
        """Returns the physical memory in use now, from /proc (Linux)."""
        return self._memory("VmRSS")

    def peak_resident_bytes(self) -> int:
        """Returns the peak of physical memory since the start, or since `forget_peak`."""
        return self._memory("VmHWM")

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")

    def _memory(self, field: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        match = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
        assert match is not None
        return int(match[1]) * 1024


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Sends SIGSTOP to a child, and waits until all its threads are stopped.

    On a busy machine a thread that was not scheduled yet may still send a response.
    """
    process.send_signal(signal.SIGSTOP)
    # WNOWAIT: an exited child stays a zombie until its status is collected.
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
