"""Rows of very many idempotent producers, written directly into a store."""

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
    """Returns the row of a producer that has appended one record with sequence 0."""
    header = parse_header(batch(producer=(1, 0, 0)))
    packed = row_after(None, header._replace(base_offset=base_offset), seen_ms)
    assert packed is not None
    return packed


def store_producers(
    store: LogStore,
    count: int,
    *,
    log: LogId = LOG,
    seen_ms: Callable[[int], int] = lambda _: int(time() * 1000),
) -> None:
    """Stores producers 0 to `count`; `seen_ms` returns the time of the last append by id."""
    key = log_key(*log)
    rows: dict[int, bytes] = {}
    for start in range(0, count, _PER_WRITE):
        write = store.new_write()
        for producer_id in range(start, min(count, start + _PER_WRITE)):
            seen = seen_ms(producer_id)
            if seen not in rows:
                rows[seen] = row(seen)
            write.put(producer_key(key, producer_id), rows[seen])
        store.write(write, 0)


def stored_producers(store: LogStore, log: LogId = LOG) -> set[int]:
    """Returns the ids of all producers of a log."""
    return {producer_id for producer_id, _ in store.reader.producers(log_key(*log))}
