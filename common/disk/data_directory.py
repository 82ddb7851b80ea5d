"""A data directory that is held open: what its process works on, whatever becomes of the path.

A volume can be unmounted under a process, and its path then leads to the disk of the node. What is
opened below `stable_path` stays on the volume all the same.
"""

import contextlib
import fcntl
import itertools
import os
from pathlib import Path
from typing import Final

#: Descriptors of directories are taken from here in turn. One that is closed is not used again
#: soon, so a database that was not closed properly never works on the next one's directory.
_NUMBERS: Final = itertools.cycle(range(256, 768))


class DirectoryInUse(Exception):
    """Another process, or another part of this one, holds the directory."""


class DirectoryReplaced(Exception):
    """The path leads to another directory than the one that is held."""


class DataDirectory:
    """Holds a directory open and locked until `close`."""

    def __init__(self, path: Path) -> None:
        """Makes the directory where it is missing, so that it survives a loss of power.

        Raises:
            DirectoryInUse
            OSError: it cannot be made or opened.
        """
        self.path = path
        _make(path)
        self._fd = _renumbered(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        try:
            _lock(self._fd, path)
        except DirectoryInUse:
            self.close()
            raise
        self.stable_path = self._stable_path()

    def check(self) -> None:
        """Compares device and inode of what the path leads to now.

        Raises:
            DirectoryReplaced
        """
        held = os.fstat(self._fd)
        try:
            found = self.path.stat()
        except OSError as error:
            raise DirectoryReplaced(f"{self.path} is not there any more: {error}") from error
        if not os.path.samestat(held, found):
            raise DirectoryReplaced(
                f"{self.path} is another directory than the one that this process has opened "
                f"(device {found.st_dev}, inode {found.st_ino}; it was device {held.st_dev}, "
                f"inode {held.st_ino}): mount the volume again, or restart the service"
            )

    def free_bytes(self) -> int:
        """What may still be written to its disk. Raises `OSError`."""
        disk = os.fstatvfs(self._fd)
        return disk.f_bavail * disk.f_frsize

    def with_path(self, text: str) -> str:
        """`text`, for instance of an error, with the path in place of `stable_path`."""
        return text.replace(str(self.stable_path), str(self.path))

    def close(self) -> None:
        """Gives up the lock. Closing twice is no error."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _stable_path(self) -> Path:
        """The path by which Linux reaches an open directory; elsewhere the directory's own."""
        stable = Path(f"/proc/self/fd/{self._fd}")
        with contextlib.suppress(OSError):
            if os.path.samestat(stable.stat(), os.fstat(self._fd)):
                return stable
        return self.path


def _renumbered(fd: int) -> int:
    try:
        number = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, next(_NUMBERS))
    except OSError:
        # The process may not have numbers as high as that.
        return fd
    os.close(fd)
    return number


def _make(path: Path) -> None:
    if path.is_dir():
        return
    _make(path.parent)
    path.mkdir(exist_ok=True)
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Some file systems cannot sync a directory. Then it is as durable as they make it.
        with contextlib.suppress(OSError):
            os.fsync(parent)
    finally:
        os.close(parent)


def _lock(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DirectoryInUse(f"{path} is in use by another process") from error
    except OSError:
        # Network file systems may have no such locks; RocksDB's own lock file remains.
        return
