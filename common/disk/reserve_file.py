"""A file that reserves space on a disk, and is deleted when the disk is full.

It is for a store whose few writes must stay possible on a full disk: deleting a topic is a write of
the metadata, and frees space.
"""

import contextlib
import logging
import os
from typing import Final

from common.disk.data_directory import DataDirectory

log = logging.getLogger(__name__)

NAME: Final = "RESERVE"
#: The file is restored when this multiple of its size is free.
_RESTORE_FACTOR: Final = 4


class ReserveFile:
    """The reserve of one data directory. I/O errors are ignored: it is an extra."""

    def __init__(self, directory: DataDirectory, size_bytes: int) -> None:
        self._directory = directory
        self._path = directory.stable_path / NAME
        self._size_bytes = size_bytes

    def release_if_needed(self) -> None:
        """Deletes the file if less than its size is free; to be called before a store is opened."""
        with contextlib.suppress(OSError):
            if self._path.exists() and self._directory.free_bytes() < self._size_bytes:
                self._path.unlink()
                log.warning(
                    "the disk of %s is full: the reserve of %d bytes is released",
                    self._directory.path,
                    self._size_bytes,
                )

    def restore(self) -> None:
        """Creates the file if it is missing or too small, and enough space is free."""
        with contextlib.suppress(OSError):
            if (
                self._is_whole()
                or self._directory.free_bytes() < _RESTORE_FACTOR * self._size_bytes
            ):
                return
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.posix_fallocate(fd, 0, self._size_bytes)
            finally:
                os.close(fd)

    def _is_whole(self) -> bool:
        return self._path.exists() and self._path.stat().st_size >= self._size_bytes
