"""A file that holds room on a disk, and is given up when there is no other.

For a store whose few writes must stay possible on a disk that others have filled: deleting a topic
is a write of the metadata, and is what gives space back.
"""

import contextlib
import logging
import os
from typing import Final

from common.disk.data_directory import DataDirectory

log = logging.getLogger(__name__)

NAME: Final = "RESERVE"
#: It is made again once there is so many times its size.
_PLENTY: Final = 4


class ReserveFile:
    """In one data directory. Raises nothing: without it only less is possible."""

    def __init__(self, directory: DataDirectory, size_bytes: int) -> None:
        self._directory = directory
        self._path = directory.stable_path / NAME
        self._size_bytes = size_bytes

    def release_if_needed(self) -> None:
        """Before a store is opened: removes the file where less than its size is free."""
        with contextlib.suppress(OSError):
            if self._path.exists() and self._directory.free_bytes() < self._size_bytes:
                self._path.unlink()
                log.warning(
                    "the disk of %s is full: %d bytes that were kept free are used now",
                    self._directory.path,
                    self._size_bytes,
                )

    def restore(self) -> None:
        """Makes the file where it is missing or too small, and there is plenty of room."""
        with contextlib.suppress(OSError):
            if self._is_whole() or self._directory.free_bytes() < _PLENTY * self._size_bytes:
                return
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.posix_fallocate(fd, 0, self._size_bytes)
            finally:
                os.close(fd)

    def _is_whole(self) -> bool:
        return self._path.exists() and self._path.stat().st_size >= self._size_bytes
