"""CPU time of this machine, for tests that other processes must not disturb."""

import os
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
#: user, nice, system, idle, iowait, irq, softirq, steal, …: what is left of the line is in user.
_IDLE = (3, 4)
_FIELDS = 8


def busy_s() -> float:
    """Seconds of all processors together, since the machine was started (Linux)."""
    first, *_ = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    ticks = [int(one) for one in first.split()[1 : 1 + _FIELDS]]
    return sum(one for field, one in enumerate(ticks) if field not in _IDLE) / _TICKS_PER_S
