"""What can go wrong with the store, in words that the rest of the service understands."""

from collections.abc import Callable
from types import TracebackType


class StorageFailed(Exception):
    """RocksDB refused: the disk is full, or an I/O error.

    After a failed write it takes no more writes until it is opened again; reads go on.
    """


class DiskFull(StorageFailed):
    """What is left of the disk is kept for deleting. Nothing has failed."""


class WrongVolume(StorageFailed):
    """The data directory holds other data than this process has opened: nothing of it is used."""


class _Failures:
    """As a generator would do it, in a third of the time: every write and every read has one."""

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
    """Around calls to rocksdict, which raises plain `Exception`s for all that goes wrong.

    `in_words` makes the text of an error one for users. May be kept and used many times.
    """
    return _Failures(what, in_words)


class StoreInUse(Exception):
    """Another process has the data directory open."""


class WrongCluster(Exception):
    """The data directory holds the data of another cluster."""


class MetadataBehind(WrongCluster):
    """The metadata service knows less of the cluster than was applied to the data directory."""
