"""The port to a key-value store, and its batch of changes.

Small on purpose, so that any store with sorted keys and atomic batches can implement it. It is for
state that fits into memory; partition logs do not, and have a store of their own.
"""

from collections.abc import Iterator
from typing import Protocol


class KvStoreFailed(Exception):
    """Raised when an operation of the store failed. A write may or may not have been made."""


class WriteBatch:
    """Changes that are applied atomically, in the order in which they were added."""

    def __init__(self) -> None:
        self._changes: list[tuple[bytes, bytes | None]] = []

    def put(self, key: bytes, value: bytes) -> None:
        self._changes.append((key, value))

    def delete(self, key: bytes) -> None:
        """Deleting a key that does not exist is no error."""
        self._changes.append((key, None))

    def __iter__(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Iterates over keys and their new values; None means deleted."""
        return iter(self._changes)

    def __len__(self) -> int:
        return len(self._changes)


class KvStore(Protocol):
    """A store whose keys sort as unsigned bytes. Not thread-safe.

    Every call may block on a disk, so none may be made in an event loop. Every method raises
    `KvStoreFailed`, after `close` too.
    """

    def get(self, key: bytes) -> bytes | None: ...

    def scan(self, start: bytes, end: bytes) -> list[tuple[bytes, bytes]]:
        """Returns the entries with start <= key < end, in the order of keys."""
        ...

    def write(self, batch: WriteBatch, *, sync: bool) -> None:
        """Applies `batch` atomically; with `sync` it survives a power loss after the return."""
        ...

    def close(self) -> None:
        """Releases all resources. Closing twice is no error."""
        ...
