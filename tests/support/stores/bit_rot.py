"""Silent corruption of bytes in files of a store, which RocksDB's checksums detect."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def flip(path: Path, position: int) -> None:
    """Flips all bits of one byte in place: a process that has the file open sees it as well."""
    with path.open("r+b") as file:
        file.seek(position)
        (byte,) = file.read(1)
        file.seek(position)
        file.write(bytes([byte ^ 0xFF]))


def file_with(folder: Path, content: bytes) -> tuple[Path, int]:
    """Returns the SST file below `folder` that contains `content`, and the position; else fails."""
    for path in folder.rglob("*.sst"):
        position = path.read_bytes().find(content)
        if position >= 0:
            return path, position
    raise AssertionError(f"no file holds {content[:20]!r}: the test would show nothing")


def damage(folder: Path, content: bytes) -> Path:
    """Flips a byte of `content`; returns the file."""
    path, position = file_with(folder, content)
    flip(path, position)
    return path


@contextmanager
def damaged_block(folder: Path) -> Iterator[Path]:
    """Flips a byte in a block of rows of the largest SST file, and flips it back at the end."""
    path = max(folder.rglob("*.sst"), key=lambda file: file.stat().st_size)
    # A file begins with rows and ends with its index.
    position = path.stat().st_size // 3
    flip(path, position)
    try:
        yield path
    finally:
        flip(path, position)


def is_in_files(folder: Path, content: bytes) -> bool:
    """True if `content` is in an SST file, and not only in the write-ahead log."""
    return any(content in path.read_bytes() for path in folder.rglob("*.sst"))
