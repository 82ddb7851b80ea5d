"""The port to a key-value store, and the batch of changes that it takes.

Small on purpose, so that anything with sorted keys and atomic batches can stand behind it. Meant
for state that fits into memory; partition logs, which do not, have a store of their own.
"""

from collections.abc import Iterator
from typing import Protocol


class KvStoreFailed(Exception):
    """The store could not do what was asked. A write may or may not have happened."""


class WriteBatch:
    """Changes that happen together or not at all, in the order in which they were added."""

    def __init__(self) -> None:
        self._changes: list[tuple[bytes, bytes | None]] = []

    def put(self, key: bytes, value: bytes) -> None:
        self._changes.append((key, value))

    def delete(self, key: bytes) -> None:
        """Deleting what is not there is no error."""
        self._changes.append((key, None))

    def __iter__(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Keys with their new values; None: deleted."""
        return iter(self._changes)

    def __len__(self) -> int:
        return len(self._changes)


class KvStore(Protocol):
    """Keys sort as unsigned bytes. Every call may block on disk: not for an event loop.

    One thread at a time. Every method raises `KvStoreFailed`, after `close` too.
    """

    def get(self, key: bytes) -> bytes | None: ...

    def scan(self, start: bytes, end: bytes) -> list[tuple[bytes, bytes]]:
        """Entries with start <= key < end, in the order of keys."""
        ...

    def write(self, batch: WriteBatch, *, sync: bool) -> None:
        """Applies `batch` atomically; with `sync`, returns once it would survive power loss."""
        ...

    def close(self) -> None:
        """Releases what is held. Closing twice is no error."""
        ...
