"""Room on the disk of a store, and the part of it that is kept for deleting.

Giving space back takes space: deletions are written, memtables become files, and the rest of a file
is written again without what is deleted. So appends are refused while that much is left.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final

from common.disk.data_directory import DataDirectory
from partition_svc.store.failures import storage_failures

#: Room beside the data for what RocksDB writes about it.
_MARGIN_BYTES: Final = 4 << 20
#: The disk is looked at after so many written bytes, and after so many seconds.
_LOOK_BYTES: Final = 1 << 20
_LOOK_S: Final = 1.0
#: Appends are accepted again once there is so large a part of the reserve beside it.
_SPARE_PART: Final = 8
_MIB: Final = 1 << 20


class Room:
    """Of the disk that holds a data directory. Everything raises `StorageFailed`."""

    def __init__(self, directory: DataDirectory, reserve_bytes: int = 0) -> None:
        """`reserve_bytes` is what appends leave free; 0: nothing is kept."""
        self._directory = directory
        self._reserve_bytes = reserve_bytes
        self._failures = storage_failures(f"look at the disk of {directory.path}")
        self._written = 0
        self._look_at = 0.0
        self._is_short = False

    def is_enough(self, size_bytes: int = 0) -> bool:
        """Returns whether so many bytes more fit, beside what opening writes again.

        Opening writes what the write-ahead log holds a second time, into files.
        """
        logged_bytes = _logged_bytes(self._directory.stable_path)
        return self.free_bytes() > logged_bytes + size_bytes + _MARGIN_BYTES

    def free_bytes(self) -> int:
        with self._failures:
            return self._directory.free_bytes()

    def in_words(self) -> str:
        """For log lines."""
        free_mib, reserve_mib = self.free_bytes() / _MIB, self._reserve_bytes / _MIB
        return (
            f"{self._directory.path} has {free_mib:.1f} MiB free; {reserve_mib:.1f} MiB and what "
            "is in memory are kept for deleting (log.reserve.bytes)"
        )

    def on_written(self, size_bytes: int) -> None:
        self._written += size_bytes

    def is_short(self, unflushed_bytes: Callable[[], int]) -> bool:
        """Whether only the reserve is left, beside what memtables take when they become files.

        Cheap: mostly the answer is what it was when the disk was looked at last.
        """
        now = monotonic()
        if self._written < _LOOK_BYTES and now < self._look_at:
            return self._is_short
        self._written, self._look_at = 0, now + _LOOK_S
        spare = self._reserve_bytes // _SPARE_PART if self._is_short else 0
        self._is_short = self._left(unflushed_bytes()) < self._reserve_bytes + spare
        return self._is_short

    def for_copies(self, unflushed_bytes: int, flush_bytes: int) -> int:
        """How many bytes logs that move here may take.

        Less than appends may, so that a copy does not stop the logs that are served here: twice the
        reserve stays free, and what is written is for a while in the write-ahead log and in files.
        """
        kept = max(2 * self._reserve_bytes, _MARGIN_BYTES) + unflushed_bytes + flush_bytes
        return max(0, self.free_bytes() - kept)

    def is_for_cleaning(self, unflushed_bytes: int) -> bool:
        """Whether log compaction may write: it gives space back later, and leaves half of it."""
        return self._left(unflushed_bytes) >= self._reserve_bytes // 2

    def _left(self, unflushed_bytes: int) -> int:
        return self.free_bytes() - unflushed_bytes if self._reserve_bytes else 0


def _logged_bytes(path: Path) -> int:
    """Of the write-ahead log's files. RocksDB removes one at any time, in a thread of its own."""
    logged = 0
    for one in path.glob("*.log"):
        with contextlib.suppress(FileNotFoundError):
            logged += one.stat().st_size
    return logged
