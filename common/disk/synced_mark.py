"""A small file beside a database that says how far it was synced, and whether it was closed.

What was synced must be there at the next start. A write-ahead log that ends early, because a bit of
it has changed, looks to RocksDB like one whose end was never written; this file knows better.

The file itself is written without a sync, save at the beginning and the end. So after a loss of
power it may be behind, and then claims too little.
"""

import contextlib
import os
import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

NAME: Final = "SYNCED"
#: RocksDB's sequence number of the last write that was synced; 1 where the database was closed.
_BODY: Final = struct.Struct(">QB")
_CHECK: Final = struct.Struct(">I")


class Mark(NamedTuple):
    sequence: int
    was_closed: bool


class SyncedMark:
    """The file in one data directory. Raises nothing: without it only less is known."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME
        self._fd = -1

    def read(self) -> Mark | None:
        """What the last process has left; None where it is not known."""
        with contextlib.suppress(OSError):
            data = self._path.read_bytes()
            body = data[: _BODY.size]
            if len(data) == _BODY.size + _CHECK.size and data == _checked(body):
                sequence, was_closed = _BODY.unpack(body)
                return Mark(sequence, bool(was_closed))
        return None

    def begin(self, sequence: int) -> None:
        """A database was opened, and holds everything up to `sequence`."""
        with contextlib.suppress(OSError):
            if self._fd < 0:
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._write(Mark(sequence, was_closed=False))
            os.fsync(self._fd)

    def advance(self, sequence: int) -> None:
        """Everything up to `sequence` is synced. Takes a microsecond."""
        with contextlib.suppress(OSError):
            self._write(Mark(sequence, was_closed=False))

    def end(self, sequence: int) -> None:
        """The database is closed, with everything up to `sequence` synced."""
        with contextlib.suppress(OSError):
            self._write(Mark(sequence, was_closed=True))
            if self._fd >= 0:
                os.fsync(self._fd)
        self.close()

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _write(self, mark: Mark) -> None:
        if self._fd >= 0:
            os.pwrite(self._fd, _checked(_BODY.pack(*mark)), 0)


def _checked(body: bytes) -> bytes:
    return body + _CHECK.pack(zlib.crc32(body))
