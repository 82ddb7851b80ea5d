"""A data directory that is held open, so that its process stays on the same volume.

A volume can be unmounted under a process, and its path then leads to the disk of the node. Files
that are opened below `stable_path` are on the volume even then.
"""

import contextlib
import errno
import fcntl
import itertools
import os
from pathlib import Path
from typing import Final

#: Errors of file systems that cannot sync a directory, and of those that are read-only.
_CANNOT_SYNC: Final = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EROFS)

#: Numbers of the descriptors of directories, in rotation. A closed number is not reused soon, so a
#: database that was not closed properly never works on the directory of the next one.
_NUMBERS: Final = itertools.cycle(range(256, 768))


class DirectoryInUse(Exception):
    """Raised when another process, or another part of this one, holds the directory."""


class DirectoryReplaced(Exception):
    """Raised when the path leads to another directory than the one that is held."""


class DataDirectory:
    """Holds a directory open and locked until `close`."""

    def __init__(self, path: Path) -> None:
        """Creates the directory durably if it is missing.

        Raises:
            DirectoryInUse: another process, or another part of this one, holds it.
            OSError: it cannot be created or opened.
        """
        self.path = path
        _create(path)
        self._fd = _renumbered(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        try:
            _lock(self._fd, path)
        except DirectoryInUse:
            self.close()
            raise
        self.stable_path = self._stable_path()

    def check(self) -> None:
        """Compares the device and inode to which the path leads now.

        Raises:
            DirectoryReplaced: they are not those of the directory that is held.
        """
        held = os.fstat(self._fd)
        try:
            current = self.path.stat()
        except OSError as error:
            raise DirectoryReplaced(f"{self.path} no longer exists: {error}") from error
        if not os.path.samestat(held, current):
            raise DirectoryReplaced(
                f"{self.path} is another directory than the one that this process has opened "
                f"(device {current.st_dev}, inode {current.st_ino}; it was device {held.st_dev}, "
                f"inode {held.st_ino}): mount the volume again, or restart the service"
            )

    def free_bytes(self) -> int:
        """Returns the free bytes of its disk. Raises `OSError`."""
        disk = os.fstatvfs(self._fd)
        return disk.f_bavail * disk.f_frsize

    def with_path(self, text: str) -> str:
        """Returns `text`, for instance of an error, with `path` in place of `stable_path`."""
        return text.replace(str(self.stable_path), str(self.path))

    def close(self) -> None:
        """Releases the lock. Closing twice is no error."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _stable_path(self) -> Path:
        """Returns the path to the open directory on Linux; on other systems its own path."""
        stable = Path(f"/proc/self/fd/{self._fd}")
        with contextlib.suppress(OSError):
            if os.path.samestat(stable.stat(), os.fstat(self._fd)):
                return stable
        return self.path


def _renumbered(fd: int) -> int:
    try:
        number = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, next(_NUMBERS))
    except OSError:
        # The limit of the process is lower than this number.
        return fd
    os.close(fd)
    return number


def _create(path: Path) -> None:
    if not path.is_dir():
        _create(path.parent)
        path.mkdir(exist_ok=True)
    # Also if it exists: the process that made it may have been killed before it synced it.
    if not path.is_mount():
        _sync_if_possible(path.parent)


def _sync_if_possible(directory: Path) -> None:
    """Syncs a directory, unless it cannot be read or its file system cannot do that."""
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(fd)


def _lock(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DirectoryInUse(f"{path} is in use by another process") from error
    except OSError:
        # Network file systems may lack these locks; RocksDB still has its own lock file.
        return
