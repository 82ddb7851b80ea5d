"""One RocksDB with its column families, opened and closed with care.

It is written without RocksDB's write-ahead log: `journaled_database.py` has one of ours.
RocksDB's own lock keeps a second process out. A database that failed a write is closed and opened
again; if the disk has no room even for that, it is opened read-only so that reads still work.
"""

import contextlib
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Final

from rocksdict import AccessType, CompactOptions, Rdict, WriteOptions

from partition_svc.store.atomic_write import STATE, Changes, to_write_batch
from partition_svc.store.damage import Damage
from partition_svc.store.failures import StorageFailed, StoreInUse, storage_failures
from partition_svc.store.journal.marker import marker, marker_key
from partition_svc.store.keys import BATCHES, COMPACTED_BATCHES, GENERATION_BYTES, family_of
from partition_svc.store.options import database_options, family_options

log = logging.getLogger(__name__)

#: Texts of RocksDB's error when another process, or this one, holds the lock.
_LOCKED: Final = ("While lock file", "lock hold by current process")

#: Text of RocksDB's error for a block that fails its checksum.
_DAMAGED: Final = "Corruption: "

#: Writes wait with more of these, long before RocksDB would stall them.
_IMMUTABLE_MEMTABLES_MAX: Final = 2
_LEVEL0_FILES_MAX: Final = 30

#: Property: number of failed flushes and compactions.
_FAILED_JOBS: Final = "rocksdb.background-errors"

_IMMUTABLE: Final = "rocksdb.num-immutable-mem-table"

_PROPERTY_FAILURES: Final = storage_failures("read a property")
_UNLOGGED: Final = WriteOptions()
_UNLOGGED.disable_wal = True  # type: ignore[method-assign,assignment]


class Database:
    """One open RocksDB: `state` has the rows, `batch_families` the batches (see `family_of`)."""

    def __init__(
        self,
        path: Path,
        *,
        is_writable: bool = True,
        may_create: bool = True,
        with_statistics: bool = False,
        damage: Damage | None = None,
    ) -> None:
        """Opens the database, and creates a missing one with `may_create`. Blocks on disk.

        Raises:
            StoreInUse: another process has it open.
            StorageFailed: it cannot be opened for writing, or cannot be read.
        """
        self.is_writable = is_writable
        self._compacting = Lock()
        self._is_stopped = False
        #: Number and generation of the last group, and the families changed since the last flush.
        self._last = 0, 0
        self._changed: set[int] = set()
        self._may_compact = False
        self._damage = damage or Damage()
        self._options = database_options(may_create=may_create, with_statistics=with_statistics)
        access = AccessType.read_write() if is_writable else AccessType.read_only(False)
        with _failures_of_opening(path):
            if may_create:
                path.mkdir(parents=True, exist_ok=True)
            names = BATCHES, COMPACTED_BATCHES
            # No compaction of batches until it is known whether an earlier process left tombstones.
            families = family_options({*names, *self._damage.families})
            self.state = Rdict(str(path), self._options, families, access)
            self.batch_families = [self.state.get_column_family(name) for name in names]
            #: State, then the families of batches; see `Changes.family`.
            self._families = [self.state, *self.batch_families]
            handles = [self.state.get_column_family_handle(name) for name in names]
            self._handles = [None, *handles]

    def write(self, changes: Sequence[Changes], sequence: int, generation: int) -> None:
        """Applies a group of the journal. It is in memory until `flush`.

        rocksdict raises plain exceptions.
        """
        self.state.write(to_write_batch(changes, self._handles), _UNLOGGED)
        self._last = sequence, generation
        for family, _, parts in changes:
            if parts:
                self._changed.add(family)

    def write_unmarked(self, changes: Sequence[Changes]) -> None:
        """Writes changes that the journal does not have; flush them before relying on them."""
        self.state.write(to_write_batch(changes, self._handles), _UNLOGGED)

    @property
    def changed_families(self) -> Collection[int]:
        """Families of which groups are in the present memtable."""
        return frozenset(self._changed)

    def flush(self, *, wait: bool) -> None:
        """Hands the memtables over to be flushed; with `wait` they are in files afterwards."""
        self._mark()
        for family in reversed(self._families):
            family.flush(wait=wait)
        self._changed.clear()

    def _mark(self) -> None:
        """Adds the markers to the present memtables."""
        if self._changed:
            self.write_unmarked([marker(family, *self._last) for family in self._changed])

    def markers(self) -> list[int]:
        """The newest marker of each family; 0 for none, or if it is in a damaged block.

        With 0 a replay applies all that the journal has, which ends in the same state. Raises
        `StorageFailed`.
        """
        with storage_failures("read a marker"):
            return [
                _unless_damaged(lambda: self.state.get(marker_key(STATE, 0))),
                *(_unless_damaged(partial(_last_marker, one)) for one in self.batch_families),
            ]

    def newest_generations(self) -> list[int]:
        """The newest generation in each family of batches (with `COMPACTED_BIT`)."""
        with storage_failures("read"):
            keys = [_last_key(family) for family in self.batch_families]
        return [int.from_bytes(key[:GENERATION_BYTES], "big") for key in keys if key]

    def immutable_memtables(self) -> list[int]:
        """Memtables of each family that wait for their flush. Raises `StorageFailed`."""
        with _PROPERTY_FAILURES:
            return [family.property_int_value(_IMMUTABLE) or 0 for family in self._families]

    def allow_compactions(self, *, allowed: bool) -> None:
        """Enables or disables automatic compaction of batches. It is disabled after opening.

        RocksDB compacts all files of level 0 together. With tombstones of old generations among
        them that would rewrite everything from the oldest of these to the newest batch.
        """
        if allowed != self._may_compact and self.is_writable:
            self._may_compact = allowed
            for family in self._compacted_families() if allowed else self.batch_families:
                # The option takes effect even if the disk has no room for the file of options.
                with contextlib.suppress(Exception):
                    family.set_options({"disable_auto_compactions": str(not allowed).lower()})

    def compact(self, start: bytes, end: bytes) -> None:
        """Rewrites the files of batches with start <= key < end. Slow: call it in a thread.

        Raises:
            StorageFailed: `stop_compacting` or `close` came before it was done, or RocksDB could
                not write the new files.
        """
        options = CompactOptions()
        # Automatic compactions must not wait for this one.
        options.set_exclusive_manual_compaction(False)
        with self._compacting:
            # RocksDB's C interface has no result of a compaction, so failures are counted.
            failed_jobs = 0
            if not self._is_stopped:
                failed_jobs = self._failed_jobs()
                self.batch_families[family_of(start)].compact_range(start, end, options)
            if self._is_stopped:
                raise StorageFailed("the database is being closed")
            if self._failed_jobs() > failed_jobs:
                self.allow_compactions(allowed=True)
                raise StorageFailed("files could not be rewritten; RocksDB's file LOG says why")

    def stop_compacting(self) -> None:
        """Cancels `compact` in another thread. Only `close` may follow."""
        self._is_stopped = True
        if self._compacting.locked():
            self.state.cancel_all_background(True)

    def close(self) -> None:
        """Releases the lock. Never fails: a database with an error cannot flush, but can be closed.

        Closing twice is no error; later calls fail.
        """
        self.stop_compacting()
        # A running compaction would keep the database open, and with it the lock.
        with self._compacting:
            self._close()

    def _compacted_families(self) -> list[Rdict]:
        """Families of batches that RocksDB may compact automatically."""
        families = zip((BATCHES, COMPACTED_BATCHES), self.batch_families, strict=True)
        return [family for name, family in families if name not in self._damage.families]

    def level0_files(self) -> int:
        """Largest number of level-0 files of a family. Raises `StorageFailed`."""
        name = "rocksdb.num-files-at-level0"
        with _PROPERTY_FAILURES:
            families = self._compacted_families()
            return max((family.property_int_value(name) or 0 for family in families), default=0)

    @property
    def is_behind(self) -> bool:
        """True if writes must wait for flushes or compaction. Raises `StorageFailed`."""
        return (
            max(self.immutable_memtables()) > _IMMUTABLE_MEMTABLES_MAX
            or self.level0_files() > _LEVEL0_FILES_MAX
        )

    def damaged_generations(self) -> list[range]:
        """Generations with damaged files, which cannot be rewritten. Raises `StorageFailed`."""
        if not self._damage.files:
            return []
        with _PROPERTY_FAILURES:
            return self._damage.generations(self.state.live_files())

    @property
    def sequence(self) -> int:
        """RocksDB's sequence number of the last write. Raises `StorageFailed`."""
        with _PROPERTY_FAILURES:
            return self.state.latest_sequence_number()

    def unflushed_bytes(self) -> int:
        """Bytes in memtables and the journal that are not yet in SST files.

        Raises `StorageFailed`, as all properties do while the database is being opened again.
        """
        with _PROPERTY_FAILURES:
            name = "rocksdb.cur-size-all-mem-tables"
            sizes = [family.property_int_value(name) for family in self._families]
        return sum(size or 0 for size in sizes)

    def _failed_jobs(self) -> int:
        """Failed jobs of all families, which RocksDB counts with the first."""
        with _PROPERTY_FAILURES:
            return self.state.property_int_value(_FAILED_JOBS) or 0

    def _close(self) -> None:
        # RocksDB flushes memtables that its log does not have when it is closed.
        with contextlib.suppress(Exception):
            self._mark()
        self._handles = []
        # The families first: each keeps the database, and with it the lock, open.
        for family in reversed(self._families):
            with contextlib.suppress(Exception):
                family.close()

    def statistics(self) -> str:
        """RocksDB's counters as text; empty without `with_statistics`."""
        return self._options.get_statistics() or ""

    def number(self, name: str) -> int:
        """Largest value of an integer property over the families, for instance "rocksdb.num-…".

        Raises `StorageFailed`.
        """
        with _PROPERTY_FAILURES:
            return max(family.property_int_value(name) or 0 for family in self.batch_families)


def _unless_damaged(read: Callable[[], bytes | None]) -> int:
    try:
        row = read()
    except Exception as error:
        if _DAMAGED not in str(error):
            raise
        log.error("a marker cannot be read, so the whole journal will be replayed: %s", error)
        return 0
    return 0 if row is None else int.from_bytes(row, "big")


def _last_marker(family: Rdict) -> bytes | None:
    """The marker of the newest generation in a family of batches."""
    row: bytes | None = family.get(_last_key(family)[:GENERATION_BYTES])
    return row


def _last_key(family: Rdict) -> bytes:
    """The last key; empty if there is none."""
    iterator = family.iter()
    iterator.seek_to_last()
    iterator.status()
    return iterator.key() if iterator.valid() else b""


@contextlib.contextmanager
def _failures_of_opening(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if any(words in str(error) for words in _LOCKED):
            raise StoreInUse(f"{path} is in use by another process") from error
        raise StorageFailed(f"cannot open {path}: {error}") from error
