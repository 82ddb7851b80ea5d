"""Log stores that tests fill directly, with batches of arbitrary bytes."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from partition_svc.store.keys import (
    COMPACTED_BIT,
    LogHead,
    batch_prefix,
    head_key,
    log_key,
    pack_segment,
    pack_u64,
    segment_key,
)
from partition_svc.store.log_store import LogStore
from tests.support.waiting import eventually

LOG_KEY = log_key(b"topic of 16 byte", 0)
OTHER_LOG_KEY = log_key(b"topic of 16 byte", 1)


@contextmanager
def opened(folder: Path, *, flush_bytes: int = 64 << 20) -> Iterator[LogStore]:
    store = LogStore(folder, flush_bytes=flush_bytes)
    try:
        yield store
    finally:
        store.close()


def roll(store: LogStore) -> None:
    """Begins a generation, and waits until the previous one is flushed to files."""
    store.roll()
    eventually(
        lambda: not store._database.number("rocksdb.num-immutable-mem-table"), what="the flush"
    )


def reclaim(store: LogStore) -> Counter[int]:
    """Reclaims the space of some generations; returns the deletions in each."""
    generations = store.find_reclaimable()
    if generations:
        store.write_tombstones(generations)
        store.reclaimer.rewrite(generations)
    return generations


def batch_files(store: LogStore) -> list[dict[str, Any]]:
    """Returns RocksDB's description of the files of batches, whose keys begin with a generation."""
    files = store._database.state.live_files()
    return [file for file in files if file["start_key"][:1] in (b"\x00", b"\x80")]


def store_batches(
    store: LogStore,
    base_offset: int,
    *batches: bytes,
    log: bytes = LOG_KEY,
    is_compacted: bool = False,
) -> int:
    """Stores batches of ten offsets each as a segment of this generation; returns the log end."""
    write = store.new_write()
    size_before = store.head(log).size_bytes
    generation = store.generation | COMPACTED_BIT if is_compacted else store.generation
    write.put(segment_key(log, base_offset), pack_segment(generation, size_before))
    for batch in batches:
        base_offset += 10
        write.put_batch(batch_prefix(generation, log) + pack_u64(base_offset - 1), batch)
    size = sum(map(len, batches))
    write.compacted_bytes = size if is_compacted else 0
    write.put(head_key(log), LogHead(0, base_offset, size_before + size).pack())
    store.write(write, size)
    return base_offset
