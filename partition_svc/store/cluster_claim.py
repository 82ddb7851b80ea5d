"""The cluster that a store belongs to, recorded at its first use."""

from partition_svc.store.failures import WrongCluster
from partition_svc.store.keys import CLUSTER_ID
from partition_svc.store.log_store import LogStore


def claim(store: LogStore, cluster_id: str) -> None:
    """Records `cluster_id` in a store that has none.

    Raises:
        WrongCluster: the store belongs to another cluster.
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
    """Returns the id of the cluster that the store belongs to; empty for none."""
    row = store.reader.row(CLUSTER_ID)
    return "" if row is None else row.decode()
