"""CPU time of this machine, for tests whose limits exclude the time of other processes."""

import os
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
#: user, nice, system, idle, iowait, irq, softirq, steal; user contains the other fields.
_IDLE = (3, 4)
_FIELDS = 8


def busy_s() -> float:
    """Returns the CPU seconds of all processors since the machine was started (Linux)."""
    first, *_ = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    ticks = [int(word) for word in first.split()[1 : 1 + _FIELDS]]
    return sum(count for field, count in enumerate(ticks) if field not in _IDLE) / _TICKS_PER_S
