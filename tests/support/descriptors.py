"""Descriptors of this process."""

from contextlib import suppress
from pathlib import Path

_DESCRIPTORS = Path("/proc/self/fd")


def path_of(fd: int) -> Path:
    """The file or directory that `fd` is open for."""
    return (_DESCRIPTORS / str(fd)).readlink()


def open_files() -> list[Path]:
    """Everything that this process has open."""
    found = []
    for descriptor in _DESCRIPTORS.iterdir():
        # Other threads close theirs meanwhile.
        with suppress(FileNotFoundError):
            found.append(descriptor.readlink())
    return found
