"""Exceptions of the store, and the conversion of rocksdict's exceptions to them."""

from collections.abc import Callable
from types import TracebackType


class StorageFailed(Exception):
    """Raised when RocksDB fails: a full disk or an I/O error.

    After a failed write it accepts no writes until it is opened again; reads still work.
    """


class DiskFull(StorageFailed):
    """Raised when only the reserve for deleting is left on the disk. Nothing has failed."""


class WrongVolume(StorageFailed):
    """Raised when the data directory holds other data than this process has opened."""


class _Failures:
    """Context manager of every read and write; a generator would take three times as long."""

    __slots__ = ("_in_words", "_what")

    def __init__(self, what: str, in_words: Callable[[str], str]) -> None:
        self._what = what
        self._in_words = in_words

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, StorageFailed):
            raise StorageFailed(f"{self._what}: {self._in_words(str(error))}") from error


def storage_failures(what: str, in_words: Callable[[str], str] = str) -> _Failures:
    """Converts the plain `Exception`s of rocksdict to `StorageFailed`.

    `in_words` converts the text of an error for users. The result may be used many times.
    """
    return _Failures(what, in_words)


class StoreInUse(Exception):
    """Raised when another process has the data directory open."""


class WrongCluster(Exception):
    """Raised when the data directory holds data of another cluster."""


class MetadataBehind(WrongCluster):
    """Raised when the metadata is older than what was applied to the data directory."""
