"""Whose data a store holds: that of one cluster, once and for all."""

from partition_svc.store.failures import WrongCluster
from partition_svc.store.keys import CLUSTER_ID
from partition_svc.store.log_store import LogStore


def claim(store: LogStore, cluster_id: str) -> None:
    """Makes the data that of a cluster, where it is nobody's yet.

    Raises:
        WrongCluster: it is another's.
        StorageFailed
    """
    stored = claimed_by(store)
    if not stored:
        write = store.new_write()
        write.put(CLUSTER_ID, cluster_id.encode())
        store.write(write, 0)
        store.sync()
    elif stored != cluster_id:
        raise WrongCluster(f"{store.path} holds data of cluster {stored}, not of {cluster_id}")


def claimed_by(store: LogStore) -> str:
    """Returns the id of the cluster whose data the store holds; empty where it is nobody's yet."""
    row = store.reader.row(CLUSTER_ID)
    return "" if row is None else row.decode()
