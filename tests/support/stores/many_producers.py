"""Rows of very many idempotent producers, written into a store as a log would have written them."""

from collections.abc import Callable
from time import time

from common.ports.partitions import LogId
from common.records.batch import parse_header
from partition_svc.log.producers import row_after
from partition_svc.store.keys import log_key, producer_key
from partition_svc.store.log_store import LogStore
from tests.support.stores.partition_core import LOG, batch

_PER_WRITE = 5_000


def row(seen_ms: int, *, base_offset: int = 0) -> bytes:
    """The row of a producer that has appended one batch of one record with sequence 0."""
    header = parse_header(batch(producer=(1, 0, 0)))
    written = row_after(None, header._replace(base_offset=base_offset), seen_ms)
    assert written is not None
    return written


def store_producers(
    store: LogStore,
    count: int,
    *,
    log: LogId = LOG,
    seen_ms: Callable[[int], int] = lambda _: int(time() * 1000),
) -> None:
    """Producers 0 to `count`, of which each appended last at `seen_ms` of its id."""
    key = log_key(*log)
    rows: dict[int, bytes] = {}
    for start in range(0, count, _PER_WRITE):
        group = store.new_write()
        for producer_id in range(start, min(count, start + _PER_WRITE)):
            seen = seen_ms(producer_id)
            if seen not in rows:
                rows[seen] = row(seen)
            group.put(producer_key(key, producer_id), rows[seen])
        store.write(group, 0)


def stored_producers(store: LogStore, log: LogId = LOG) -> set[int]:
    """The ids of all producers that a log remembers."""
    return {producer_id for producer_id, _ in store.reader.producers(log_key(*log))}
