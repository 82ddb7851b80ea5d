"""What can go wrong with the store, in two words that the rest of the service understands."""


class StorageFailed(Exception):
    """RocksDB refused a write, a sync or a flush: disk full, or an I/O error.

    After one of these it takes no more writes until it is opened again; reads go on.
    """


class StoreInUse(Exception):
    """Another process has the data directory open."""


class WrongCluster(Exception):
    """The data directory holds the data of another cluster."""
