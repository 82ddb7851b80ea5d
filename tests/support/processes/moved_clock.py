"""A wall clock of single processes that a test moves while they run; needs no privileges.

`moved_clock.c` is built once for each run of the tests and loaded into the process (LD_PRELOAD).
The monotonic clock stays as it is.
"""

import mmap
import shutil
import struct
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Final

from common.records.batch import parse_header
from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import Deployment
from tests.support.tools import need
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered

#: Configs of a topic whose timestamps come from the clock of the process that stores its logs.
LOG_APPEND_TIME: Final = {"message.timestamp.type": "LogAppendTime"}

_SOURCE: Final = Path(__file__).with_suffix(".c")
_OFFSET: Final = struct.Struct("q")


@cache
def library() -> Path:
    """Return the compiled library. Skips the test where no compiler is installed."""
    need(shutil.which("gcc"), "gcc")
    target = Path(tempfile.mkdtemp(prefix="moved-clock-")) / "moved_clock.so"
    command = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(target), str(_SOURCE), "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    return target


class MovedClock:
    """The wall clock of the processes that are started with `environment`."""

    def __init__(self, control: Path) -> None:
        """`control` is a file that this object and the processes map."""
        control.write_bytes(bytes(_OFFSET.size))
        with control.open("r+b") as file:
            self._control = mmap.mmap(file.fileno(), _OFFSET.size)
        self._path = control

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(library()), "MOVED_CLOCK": str(self._path)}

    def move_to(self, hours: float) -> None:
        """Set the clock ahead of the machine's by `hours`, or behind it if negative."""
        _OFFSET.pack_into(self._control, 0, int(hours * 3_600 * 1e9))

    def now_ms(self) -> int:
        """Return the current time of this clock in ms since the epoch."""
        moved_ns: int = _OFFSET.unpack_from(self._control, 0)[0]
        return (time.time_ns() + moved_ns) // 1_000_000


def with_clocks(deployment: Deployment, folder: Path) -> dict[str, MovedClock]:
    """Give each process of a deployment that has not started a clock; return clocks by name."""
    clocks = {name: MovedClock(folder / f"clock-of-{name}") for name in deployment.names}
    deployment.own_environments = {name: clock.environment for name, clock in clocks.items()}
    return clocks


def append_stamped(raw: RawClient, topic: str) -> int:
    """Append one record to a topic of `LOG_APPEND_TIME` and return its timestamp in the log."""
    result = raw.produce(topic, record_batch(numbered(1)))
    assert result.error_code == 0
    (stored,) = raw.fetch(topic, result.base_offset).batches
    return parse_header(stored).max_timestamp
