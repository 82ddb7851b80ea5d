"""What can go wrong with the store, in words that the rest of the service understands."""

from collections.abc import Iterator
from contextlib import contextmanager


class StorageFailed(Exception):
    """RocksDB refused: the disk is full, or an I/O error.

    After a failed write it takes no more writes until it is opened again; reads go on.
    """


@contextmanager
def storage_failures(what: str) -> Iterator[None]:
    """Around calls to rocksdict, which raises plain `Exception`s for all that goes wrong."""
    try:
        yield
    except StorageFailed:
        raise
    except Exception as error:
        raise StorageFailed(f"{what}: {error}") from error


class StoreInUse(Exception):
    """Another process has the data directory open."""


class WrongCluster(Exception):
    """The data directory holds the data of another cluster."""
