"""A disk whose reads, writes and syncs fail on demand, for one process; needs no privileges.

`faulty_disk.c` is built once for each run of the tests and loaded into the process (LD_PRELOAD). A
test selects the failing operations through a file that both map.
"""

import errno
import mmap
import shutil
import struct
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from tests.support.tools import need

READ: Final = 1
WRITE: Final = 2
SYNC: Final = 4
FOR_EVER: Final = -1

_SOURCE: Final = Path(__file__).with_suffix(".c")
_CONTROL: Final = struct.Struct("iiii48s")


@cache
def library() -> Path:
    """Builds the library once and returns it. Skips the test if there is no compiler."""
    need(shutil.which("gcc"), "gcc")
    folder = Path(tempfile.mkdtemp(prefix="faulty-disk-"))
    target = folder / "faulty_disk.so"
    command = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(target), str(_SOURCE), "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    return target


class FaultyDisk:
    """The files below `root` as seen by a process that is started with `environment`."""

    def __init__(self, root: Path, own: Path) -> None:
        """`own` is a folder for this object's files, on the same file system and not in `root`."""
        root.mkdir(parents=True, exist_ok=True)
        own.mkdir(parents=True, exist_ok=True)
        self.root = root.resolve()
        self.journal = own / "journal"
        self.kept = own / "kept"
        self.kept.mkdir(exist_ok=True)
        control = own / "control"
        control.write_bytes(bytes(_CONTROL.size))
        with control.open("r+b") as file:
            self._control = mmap.mmap(file.fileno(), _CONTROL.size)
        self._paths = {
            "FAULTY_DISK_ROOT": str(self.root),
            "FAULTY_DISK_CONTROL": str(control),
        }

    @property
    def environment(self) -> dict[str, str]:
        """Environment of a process whose disk may fail."""
        return {"LD_PRELOAD": str(library()), **self._paths}

    @property
    def journaling_environment(self) -> dict[str, str]:
        """Environment of a process whose power may be cut as well: see `power_loss`."""
        return {
            **self.environment,
            "FAULTY_DISK_JOURNAL": str(self.journal),
            "FAULTY_DISK_KEPT": str(self.kept),
        }

    def fail(
        self,
        operations: int,
        *,
        error: int = errno.EIO,
        times: int = FOR_EVER,
        suffix: str = "",
    ) -> None:
        """Makes the next `operations` on files whose names end with `suffix` fail."""
        _CONTROL.pack_into(self._control, 0, 0, error, times, 0, suffix.encode())
        # Written last: this enables the failures.
        struct.pack_into("i", self._control, 0, operations)

    def heal(self) -> None:
        struct.pack_into("i", self._control, 0, 0)

    @property
    def failures(self) -> int:
        """Number of operations that have failed since `fail`."""
        hits: int = _CONTROL.unpack_from(self._control, 0)[3]
        return hits
