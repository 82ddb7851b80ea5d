"""Free space on the disk of a store, and the reserve that is kept for deleting.

Reclaiming space takes space: deletions are written, memtables become files, and live data is copied
to new files. So appends are refused once only the reserve is left.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final

from common.disk.data_directory import DataDirectory
from partition_svc.store.failures import storage_failures
from partition_svc.store.journal.journal import FOLDER
from partition_svc.store.journal.journal_file import SUFFIX

#: Space for RocksDB's own files beside the data.
_MARGIN_BYTES: Final = 4 << 20
#: The free space is read again after this many written bytes or seconds.
_LOOK_BYTES: Final = 1 << 20
_LOOK_S: Final = 1.0
#: Appends are accepted again once this part (one in N) of the reserve is free beside it.
_SPARE_PART: Final = 8
_MIB: Final = 1 << 20
#: A file that is written to see whether a database could be opened.
_PROBE: Final = "PROBE"
_PROBE_BYTES: Final = 64 << 10


class Room:
    """Free space of the disk that holds a data directory. All methods raise `StorageFailed`."""

    def __init__(self, directory: DataDirectory, reserve_bytes: int = 0) -> None:
        """`reserve_bytes`: free space that appends must leave; 0 for none."""
        self._directory = directory
        self._reserve_bytes = reserve_bytes
        self._failures = storage_failures(f"look at the disk of {directory.path}")
        self._written = 0
        self._look_at = 0.0
        self._is_short = False

    def is_enough(self, size_bytes: int = 0) -> bool:
        """True if `size_bytes` more fit, beside what opening the database writes.

        Opening writes the contents of the journal a second time, into SST files.
        """
        logged_bytes = _logged_bytes(self._directory.stable_path)
        return self.free_bytes() > logged_bytes + size_bytes + _MARGIN_BYTES

    def check_writes(self) -> None:
        """Raises `StorageFailed` if the disk takes no new file of some size."""
        probe = self._directory.stable_path / _PROBE
        with self._failures:
            try:
                with probe.open("wb", buffering=0) as file:
                    os.posix_fallocate(file.fileno(), 0, _PROBE_BYTES)
                    file.write(bytes(_PROBE_BYTES))
                    os.fsync(file.fileno())
            finally:
                probe.unlink(missing_ok=True)

    def free_bytes(self) -> int:
        with self._failures:
            return self._directory.free_bytes()

    def in_words(self) -> str:
        """Describes the free space for log lines."""
        free_mib, reserve_mib = self.free_bytes() / _MIB, self._reserve_bytes / _MIB
        return (
            f"{self._directory.path} has {free_mib:.1f} MiB free; {reserve_mib:.1f} MiB and what "
            "is in memory are kept for deleting (log.reserve.bytes)"
        )

    def on_written(self, size_bytes: int) -> None:
        self._written += size_bytes

    def is_short(self, unflushed_bytes: Callable[[], int]) -> bool:
        """True if only the reserve is left after the memtables are flushed.

        Cheap: mostly returns the result of the last reading of the disk.
        """
        now = monotonic()
        if self._written < _LOOK_BYTES and now < self._look_at:
            return self._is_short
        self._written, self._look_at = 0, now + _LOOK_S
        spare = self._reserve_bytes // _SPARE_PART if self._is_short else 0
        self._is_short = self._left(unflushed_bytes()) < self._reserve_bytes + spare
        return self._is_short

    def for_copies(self, unflushed_bytes: int, flush_bytes: int) -> int:
        """Bytes that copies of moving logs may take.

        That is less than appends may, so that a copy does not stop the logs served here: twice the
        reserve stays free, because a copy is for a while in the journal and in SST files.
        """
        kept = max(2 * self._reserve_bytes, _MARGIN_BYTES) + unflushed_bytes + flush_bytes
        return max(0, self.free_bytes() - kept)

    def is_for_cleaning(self, unflushed_bytes: int) -> bool:
        """True if log compaction may write; it leaves half of the reserve."""
        return self._left(unflushed_bytes) >= self._reserve_bytes // 2

    def _left(self, unflushed_bytes: int) -> int:
        return self.free_bytes() - unflushed_bytes if self._reserve_bytes else 0


def _logged_bytes(path: Path) -> int:
    """Size of the journal, and of a write-ahead log of RocksDB; a thread may remove their files."""
    logged = 0
    for file in (*path.glob("*.log"), *path.glob(f"{FOLDER}/*{SUFFIX}")):
        with contextlib.suppress(FileNotFoundError):
            logged += file.stat().st_size
    return logged
