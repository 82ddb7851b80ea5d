"""A small file beside a database: the last synced write, and whether the database was closed.

Synced writes must exist at the next start. To RocksDB a write-ahead log that ends early, because
one of its bits has changed, looks like one whose end was never written; this file tells them apart.

The file is synced only when the database is opened and closed. So after a power loss it may name an
earlier write than the last synced one, and never a later one.
"""

import contextlib
import os
import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

NAME: Final = "SYNCED"
#: Sequence number of the last synced write; 1 if the database was closed, else 0.
_BODY: Final = struct.Struct(">QB")
_CHECK: Final = struct.Struct(">I")


class Mark(NamedTuple):
    """The content of the file."""

    sequence: int
    was_closed: bool


class SyncedMark:
    """The file in one data directory. I/O errors are ignored: it is an extra."""

    def __init__(self, directory: Path, name: str = NAME) -> None:
        self._path = directory / name
        self._fd = -1

    def read(self) -> Mark | None:
        """Returns the mark of the last process; None if it is missing or damaged."""
        with contextlib.suppress(OSError):
            data = self._path.read_bytes()
            body = data[: _BODY.size]
            if len(data) == _BODY.size + _CHECK.size and data == _checked(body):
                sequence, was_closed = _BODY.unpack(body)
                return Mark(sequence, bool(was_closed))
        return None

    def begin(self, sequence: int) -> None:
        """Records that a database was opened, and has all writes up to `sequence`."""
        with contextlib.suppress(OSError):
            if self._fd < 0:
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._write(Mark(sequence, was_closed=False))
            os.fsync(self._fd)

    def advance(self, sequence: int) -> None:
        """Records that all writes up to `sequence` are synced. Takes a microsecond."""
        with contextlib.suppress(OSError):
            self._write(Mark(sequence, was_closed=False))

    def end(self, sequence: int) -> None:
        """Records that the database is closed, with all writes up to `sequence` synced."""
        with contextlib.suppress(OSError):
            self._write(Mark(sequence, was_closed=True))
            if self._fd >= 0:
                os.fsync(self._fd)
        self.close()

    def remove(self) -> None:
        """Removes the file."""
        self.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _write(self, mark: Mark) -> None:
        if self._fd >= 0:
            os.pwrite(self._fd, _checked(_BODY.pack(*mark)), 0)


def _checked(body: bytes) -> bytes:
    return body + _CHECK.pack(zlib.crc32(body))
