"""The store of all logs of this process: atomic groups, syncs, generations, reads by seek.

Writes and reads are for the event loop: short, and they hold Python's global lock anyway. What
may take long (`sync`, `roll`, `recover`, `close`) is for a thread; the caller sees to it that
nothing writes meanwhile. What keys and values look like is written in `keys.py`.
"""

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from partition_svc.store.atomic_write import AtomicWrite
from partition_svc.store.database import Database
from partition_svc.store.deletion import delete_logs, note_deleted
from partition_svc.store.failures import StorageFailed, storage_failures
from partition_svc.store.generation import OpenGeneration
from partition_svc.store.identity import identify
from partition_svc.store.keys import (
    COMPACTED_BIT,
    GENERATIONS,
    HEADS,
    INCOMING,
    Incoming,
    LogHead,
    generation_key,
    head_key,
)
from partition_svc.store.opening import DatabaseOpener
from partition_svc.store.read_failures import ReadFailures
from partition_svc.store.reading import LogReader
from partition_svc.store.reclaiming import Reclaimer, note_reclaimed
from partition_svc.store.replacing import Replacement, replace_batches
from partition_svc.store.room import Room

log = logging.getLogger(__name__)


class LogStore:
    """Opens the data directory. `reader` answers all reads, also after a failed write.

    It is another after `recover`, and so is `reclaimer`. `room` is that of the disk.

    `identity` says which directory it is, and how often it was opened.
    """

    def __init__(
        self,
        path: Path,
        *,
        flush_bytes: int = 64 << 20,
        reserve_bytes: int = 0,
        with_statistics: bool = False,
    ) -> None:
        """Blocks on disk. A generation ends after `flush_bytes`.

        Appends are to leave `reserve_bytes` of the disk free; see `is_full`.

        Raises:
            StoreInUse: another process has the directory.
            StorageFailed: it cannot be opened, not even for reading.
        """
        self.path = path
        self._flush_bytes = flush_bytes
        self._opening = DatabaseOpener(path, with_statistics=with_statistics)
        self.room = Room(self._opening.directory, reserve_bytes)
        in_words = self._opening.write_error
        self._write_failures = storage_failures("write", in_words)
        self._sync_failures = storage_failures("sync", in_words)
        self._flush_failures = storage_failures("flush", in_words)
        self.read_failures = ReadFailures(self._opening.read_error)
        try:
            self._use(self._opening.first())
            self.identity = identify(self._database)
        except BaseException:
            self._opening.close()
            raise

    @property
    def generation(self) -> int:
        """The generation that batches are written to now."""
        return self._open_generation.number

    @property
    def is_writable(self) -> bool:
        return self._database.is_writable

    @property
    def is_generation_full(self) -> bool:
        """Whether the generation is full: call `roll` before the next write."""
        return self._open_generation.is_full

    @property
    def sequence(self) -> int:
        """Grows by one with every row that is written."""
        return self._database.state.latest_sequence_number()

    @property
    def is_behind(self) -> bool:
        """Whether writes must wait because flushes or compaction have not kept up."""
        return self._database.is_behind

    @property
    def is_full(self) -> bool:
        """Whether appends must be refused: what is left of the disk is kept for deleting."""
        return self.room.is_short(self._database.unflushed_bytes)

    @property
    def has_room_to_clean(self) -> bool:
        """Whether log compaction may write, and groups may."""
        return self.room.is_for_cleaning(self._database.unflushed_bytes())

    @property
    def copy_room_bytes(self) -> int:
        """How much of the disk copies of logs may take; raises `StorageFailed`."""
        return self.room.for_copies(self._database.unflushed_bytes(), self._flush_bytes)

    def new_write(self) -> AtomicWrite:
        return AtomicWrite(self._database.batch_handles)

    def write(self, write: AtomicWrite, appended_bytes: int) -> None:
        """Writes to the write-ahead log in the page cache: it survives the process.

        Raises:
            StorageFailed: nothing of it is stored.
        """
        self._open_generation.add(appended_bytes, write.compacted_bytes, write.put)
        with self._write_failures:
            self._database.state.write(write.changes)
        self.room.on_written(appended_bytes)

    def check(self) -> None:
        """Raises `StorageFailed` where a flush has failed: RocksDB tells with the next write."""
        self.write(self.new_write(), 0)

    def sync(self) -> None:
        """Makes everything written so far survive the loss of power. Blocks; frees the lock.

        Raises:
            StorageFailed: what was written since the last sync may not survive.
        """
        with self._sync_failures:
            # Nothing is written meanwhile.
            sequence = self._database.sequence
            self._database.state.flush_wal(True)
        self._opening.mark.advance(sequence)

    def roll(self, *, wait: bool = False) -> None:
        """Begins the next generation: the memtables are handed over to be flushed. Blocks.

        Raises:
            StorageFailed
        """
        self._flush(wait=wait)
        self._begin_generation(self.generation + 1)

    def delete_log(self, log_key: bytes) -> None:
        """As `delete_logs`, one."""
        self.delete_logs([log_key])

    def delete_logs(self, log_keys: Sequence[bytes]) -> None:
        """Deletes all of some logs, in one write. Their space comes back later.

        Raises:
            StorageFailed
        """
        write = self.new_write()
        logs = [(key, self.head(key).size_bytes) for key in log_keys]
        deleted = delete_logs(write, self.reader, logs, self.generation)
        self._note_replaced(write, Counter(), deleted.sizes)
        self.write(write, 0)
        self._open_generation.tombstones += deleted.tombstones

    def end_generation(self) -> None:
        """Has the generation end where logs are deleted in it: they are in memory until then."""
        if self._open_generation.tombstones:
            self._open_generation.must_end = True

    def replace(
        self,
        write: AtomicWrite,
        log_key: bytes,
        size_bytes: int,
        replacements: Sequence[Replacement],
    ) -> int:
        """Puts batches in the place of others into `write`; returns how much smaller the log gets.

        `size_bytes`: of the log before it. Nothing else may be done to it in the same write.
        """
        added, deleted = replaced = replace_batches(
            write, self.reader, log_key, size_bytes, replacements
        )
        gone_bytes = replaced.gone_bytes
        self._note_replaced(write, added, deleted)
        return gone_bytes

    def find_reclaimable(self, *, is_tight: bool = False) -> Counter[int]:
        """The next generations that are worth rewriting, and what is deleted in each.

        On a full disk, and with `is_tight`, one generation whose rest fits into what is free.

        Call `write_tombstones` for them, `reclaimer.rewrite`, and `note_reclaimed`.
        """
        is_short = is_tight or self.is_full
        return self.reclaimer.find(self.generation, self.room.free_bytes(), is_short=is_short)

    def write_tombstones(self, generations: Collection[int]) -> None:
        """Makes a file of what deletes dead logs there, and begins a generation.

        Blocks, for as long as it takes to flush what is in memory. Raises `StorageFailed`.
        """
        # RocksDB makes one file of all memtables that wait, and of all that a start recovers. One
        # with tombstones and newer batches would have it rewrite everything between them.
        self._database.allow_compactions(allowed=False)
        self.roll(wait=True)
        write = self.new_write()
        self.reclaimer.write_tombstones(write, generations)
        with self._write_failures:
            self._database.state.write(write.changes)
        self._flush(wait=True)

    def note_reclaimed(self, reclaimed: Counter[int]) -> None:
        """Raises `StorageFailed`."""
        write = self.new_write()
        note_reclaimed(write, self.reader, reclaimed)
        self.write(write, 0)

    def stop_reclaiming(self) -> None:
        """Makes a `rewrite` in another thread end soon. Nothing but `close` may follow."""
        self._database.stop_compacting()

    def heads(self) -> Iterator[tuple[bytes, LogHead]]:
        """Log key and head of every log that was ever written to."""
        for key, row in self.reader.rows(HEADS, HEADS + b"\xff" * 21):
            yield key[1:], LogHead.unpack(row)

    def head(self, log_key: bytes) -> LogHead:
        row = self.reader.row(head_key(log_key))
        return LogHead() if row is None else LogHead.unpack(row)

    def incoming(self) -> Iterator[tuple[bytes, Incoming]]:
        """Log key and mark of every log that is, or was until now, a copy that a move brings."""
        for key, row in self.reader.rows(INCOMING, INCOMING + b"\xff" * 21):
            yield key[1:], Incoming.unpack(row)

    def recover(self) -> None:
        """After a failure: opens the database again, read-only where it cannot be written. Blocks.

        Raises:
            StorageFailed: it cannot be written yet; reads go on.
        """
        try:
            database, failure = self._opening.again(self._database, self.identity, self.room)
            self._use(database)
        except StorageFailed:
            raise
        except Exception as error:
            raise StorageFailed(f"cannot open {self.path} again: {error!r}") from error
        if failure is not None:
            raise StorageFailed(failure)

    def statistics(self) -> str:
        """RocksDB's counters as text; empty without `with_statistics`."""
        return self._database.statistics()

    def close(self) -> None:
        """Blocks; gives up the directory. Closing twice is no error."""
        if self.is_writable:
            with suppress(StorageFailed):
                self.sync()
                self._opening.mark.end(self._database.sequence)
        self._database.close()
        self._opening.close()

    def _use(self, database: Database) -> None:
        self._database = database
        self.reader = LogReader(database, self.read_failures)
        self.reclaimer = Reclaimer(database, self.reader, flush_bytes=self._flush_bytes)
        last = self.reader.last_row(GENERATIONS, generation_key(COMPACTED_BIT))
        # What a memtable held is flushed by opening, so a generation never goes on after that.
        self._begin_generation(0 if last is None else int.from_bytes(last[0][1:], "big") + 1)

    def _flush(self, *, wait: bool = False) -> None:
        with self._flush_failures:
            for family in (*self._database.batch_families, self._database.state):
                family.flush(wait=wait)

    def _begin_generation(self, generation: int) -> None:
        self._open_generation = OpenGeneration(generation, self._flush_bytes)

    def _note_replaced(
        self, write: AtomicWrite, added: Counter[int], deleted: Counter[int]
    ) -> None:
        """Bytes by generation. Those of the open one are written with the write, in any case."""
        self._open_generation.replace(added, deleted)
        note_deleted(write, self.reader, deleted, added)
