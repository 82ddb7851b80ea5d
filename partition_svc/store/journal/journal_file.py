"""One file of the journal: a header, then records, then space that is allocated in advance.

    magic "ringlogJ" | format u32 | epoch u32 | first sequence number u64 | CRC-32C u32

The *epoch* counts the openings of the journal. A record of another epoch is none of this file.
"""

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from crc32c import crc32c

_MAGIC: Final = b"ringlogJ"
_FORMAT: Final = 1
_HEADER: Final = struct.Struct(">8sIIQ")
_CRC: Final = struct.Struct(">I")
HEADER_BYTES: Final = _HEADER.size + _CRC.size
SUFFIX: Final = ".journal"
_BLOCK_BYTES: Final = 1 << 20


class FileHeader(NamedTuple):
    """`first_sequence`: that of the first record, also of a file that has none yet."""

    epoch: int
    first_sequence: int

    def pack(self) -> bytes:
        header = _HEADER.pack(_MAGIC, _FORMAT, *self)
        return header + _CRC.pack(crc32c(header))

    @classmethod
    def unpack(cls, data: bytes | memoryview) -> "FileHeader | None":
        """None if the data is no whole header, or one of another format."""
        if len(data) < HEADER_BYTES:
            return None
        magic, number, epoch, first_sequence = _HEADER.unpack_from(data)
        (checksum,) = _CRC.unpack_from(data, _HEADER.size)
        if (magic, number) != (_MAGIC, _FORMAT) or crc32c(data[: _HEADER.size]) != checksum:
            return None
        return cls(epoch, first_sequence)


def file_path(directory: Path, number: int) -> Path:
    return directory / f"{number:08d}{SUFFIX}"


def file_numbers(directory: Path) -> list[int]:
    """Numbers of the files of a journal, ascending."""
    return sorted(int(path.stem) for path in directory.glob(f"*{SUFFIX}") if path.stem.isdigit())


class NoRoomForFile(OSError):
    """Raised when the disk has no room for another file. No header of it was written."""


class JournalFile:
    """A file that records are appended to. All methods raise `OSError`.

    `append` may run at the same time as `allocate` or `sync` in another thread.
    """

    def __init__(self, path: Path, number: int, header: FileHeader, *, reserve_bytes: int) -> None:
        """Creates the file durably, with `reserve_bytes` allocated. Blocks on disk.

        No file is left if that fails. Raises `NoRoomForFile`, or another `OSError`.
        """
        self.number = number
        self.path = path
        self._allocated = 0
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            self._position = self._last_bytes = 0
            try:
                self.allocate(reserve_bytes)
            except OSError as error:
                raise NoRoomForFile(*error.args) from error
            self.append([header.pack()], HEADER_BYTES)
            os.fsync(self._fd)
            sync_directory(path.parent)
        except BaseException:
            self.close()
            path.unlink(missing_ok=True)
            raise

    @property
    def free_bytes(self) -> int:
        """Allocated bytes that are not used yet. Records in them cannot meet a full disk."""
        return self._allocated - self._position

    def allocate(self, size_bytes: int) -> None:
        """Allocates more space behind what is allocated. Blocks."""
        end = self._allocated + size_bytes
        os.posix_fallocate(self._fd, self._allocated, size_bytes)
        # Another thread may have allocated meanwhile.
        self._allocated = max(self._allocated, end)

    def append(self, buffers: Sequence[bytes], size_bytes: int) -> None:
        """Writes a record to the page cache.

        After an error nothing may be appended any more: part of the record may be there.
        """
        if size_bytes > self.free_bytes:
            # Fails before anything of the record is written.
            self.allocate(size_bytes - self.free_bytes)
        done = os.pwritev(self._fd, buffers, self._position)
        while done < size_bytes:
            # A kernel may take fewer bytes than it was given.
            done += os.pwritev(self._fd, _rest(buffers, done), self._position + done)
        self._position += size_bytes
        self._last_bytes = size_bytes

    def take_back(self) -> None:
        """Overwrites the last record with zeros. Call it at most once after an `append`."""
        position = self._position - self._last_bytes
        os.pwrite(self._fd, bytes(self._last_bytes), position)
        self._position = position

    def sync(self) -> None:
        """Syncs all records; frees Python's lock."""
        os.fdatasync(self._fd)

    def write_again(self) -> None:
        """Makes all records durable after a failed sync, see `write_again`; none if closed."""
        if self._fd >= 0:
            _write_again(self._fd)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def write_again(path: Path) -> None:
    """Writes the data of a file once more and syncs it, so that all that can be read is durable.

    A sync alone is not enough: after a sync that failed, the kernel takes the pages for written.
    Raises `OSError`.
    """
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        _write_again(fd)
    finally:
        os.close(fd)


def _write_again(fd: int) -> None:
    position = 0
    while block := os.pread(fd, _BLOCK_BYTES, position):
        data = memoryview(block.rstrip(b"\0"))
        done = 0
        while done < len(data):
            done += os.pwrite(fd, data[done:], position + done)
        position += len(block)
    os.fdatasync(fd)


def _rest(buffers: Sequence[bytes], done: int) -> list[bytes | memoryview]:
    """The rest of buffers after `done` bytes."""
    rest: list[bytes | memoryview] = []
    for buffer in buffers:
        if done < len(buffer):
            rest.append(memoryview(buffer)[done:] if done else buffer)
            done = 0
        else:
            done -= len(buffer)
    return rest


def sync_directory(path: Path) -> None:
    """Makes created, renamed and removed files durable. Raises `OSError`."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
