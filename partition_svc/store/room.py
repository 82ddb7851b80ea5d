"""Room on the disk of a store."""

import contextlib
from pathlib import Path
from typing import Final

from common.data_directory import DataDirectory
from partition_svc.store.failures import storage_failures

#: Room beside the data for what RocksDB writes about it.
_MARGIN_BYTES: Final = 4 << 20


class Room:
    """Of the disk that holds a data directory. Everything raises `StorageFailed`."""

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._failures = storage_failures(f"look at the disk of {directory.path}")

    def is_enough(self, size_bytes: int = 0) -> bool:
        """Whether so many bytes more fit, beside what opening writes again.

        Opening writes what the write-ahead log holds a second time, into files.
        """
        with self._failures:
            logged_bytes = _logged_bytes(self._directory.stable_path)
            return self._directory.free_bytes() > logged_bytes + size_bytes + _MARGIN_BYTES


def _logged_bytes(path: Path) -> int:
    """Of the write-ahead log's files. RocksDB removes one at any time, in a thread of its own."""
    logged = 0
    for one in path.glob("*.log"):
        with contextlib.suppress(FileNotFoundError):
            logged += one.stat().st_size
    return logged
