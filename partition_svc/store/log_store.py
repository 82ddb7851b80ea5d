"""The store of all logs of this process: atomic writes, syncs, generations, reads by seek.

Writes and reads run on the event loop: they are short, and they hold Python's global lock anyway.
Slow calls (`sync`, `roll`, `recover`, `close`) run in a thread, and the caller must not write
meanwhile. `keys.py` describes the keys and values.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from partition_svc.store.atomic_write import AtomicWrite
from partition_svc.store.failures import StorageFailed, storage_failures
from partition_svc.store.generation import OpenGeneration
from partition_svc.store.identity import identify
from partition_svc.store.journaled_database import JournaledDatabase
from partition_svc.store.keys import (
    COMPACTED_BIT,
    GENERATIONS,
    LogHead,
    generation_key,
    head_key,
)
from partition_svc.store.opening import DatabaseOpener
from partition_svc.store.read_failures import ReadFailures
from partition_svc.store.reading import LogReader
from partition_svc.store.space.deletion import delete_logs, note_deleted
from partition_svc.store.space.reclaiming import Reclaimer, note_reclaimed
from partition_svc.store.space.replacing import Replacement, replace_batches
from partition_svc.store.space.room import Room


class LogStore:
    """The store of a data directory. `reader` serves all reads, also after a failed write.

    `journaled` is RocksDB with its journal; `recover` replaces it, `reader` and `reclaimer`.
    `room` describes the free space of the disk, `identity` the directory and its openings.
    """

    def __init__(
        self,
        path: Path,
        *,
        flush_bytes: int = 64 << 20,
        reserve_bytes: int = 0,
        with_statistics: bool = False,
    ) -> None:
        """Opens the data directory; blocks on disk.

        `flush_bytes`: size at which a generation ends. `reserve_bytes`: free space that appends
        must leave on the disk; see `is_full`.

        Raises:
            StoreInUse: another process has the directory.
            StorageFailed: it cannot be opened, not even for reading.
        """
        self.path = path
        self._flush_bytes = flush_bytes
        self._opening = DatabaseOpener(
            path, flush_bytes=flush_bytes, with_statistics=with_statistics
        )
        self.room = Room(self._opening.directory, reserve_bytes)
        in_words = self._opening.write_error
        self._write_failures = storage_failures("write", in_words)
        self._sync_failures = storage_failures("sync", in_words)
        self._flush_failures = storage_failures("flush", in_words)
        self.read_failures = ReadFailures(self._opening.read_error)
        with ExitStack() as on_failure:
            on_failure.callback(self._opening.close)
            journaled = self._opening.first()
            on_failure.callback(journaled.close)
            self._use(journaled)
            self.identity = identify(journaled, self.generation)
            on_failure.pop_all()

    @property
    def generation(self) -> int:
        """The generation that batches are written to now."""
        return self._open_generation.number

    @property
    def is_writable(self) -> bool:
        return self.journaled.is_writable

    @property
    def is_generation_full(self) -> bool:
        """True if the generation is full: call `roll` before the next write."""
        return self._open_generation.is_full

    @property
    def must_pause(self) -> bool:
        """True if `roll` or `extend_journal` should be called before the next write."""
        return self.journaled.needs_space or self._open_generation.is_full

    @property
    def sequence(self) -> int:
        """Number of the last atomic write: grows by one with each."""
        return self.journaled.sequence

    @property
    def is_behind(self) -> bool:
        """True if writes must wait because flushes or compaction have not kept up."""
        return self._database.is_behind

    @property
    def is_full(self) -> bool:
        """True if appends must be refused because only the space reserved for deleting is left."""
        return self.journaled.is_short or self.room.is_short(self._database.unflushed_bytes)

    @property
    def has_room_to_clean(self) -> bool:
        """True if log compaction and group coordinators may write."""
        return self.room.is_for_cleaning(self._database.unflushed_bytes())

    @property
    def copy_room_bytes(self) -> int:
        """Bytes of the disk that incoming copies of logs may take. Raises `StorageFailed`."""
        return self.room.for_copies(self._database.unflushed_bytes(), self._flush_bytes)

    def new_write(self) -> AtomicWrite:
        return AtomicWrite()

    def write(self, write: AtomicWrite, appended_bytes: int) -> None:
        """Writes to the journal in the page cache, and to RocksDB: it survives the process.

        Raises:
            StorageFailed: it is not stored, unless the disk failed so that the journal may keep it.
        """
        self.append(write, appended_bytes)
        self.apply(write, appended_bytes)

    def append(self, write: AtomicWrite, appended_bytes: int) -> None:
        """The first half of `write`, which waits for a busy disk. Only `apply` may follow.

        Raises:
            StorageFailed
        """
        self._open_generation.add(appended_bytes, write.compacted_bytes, write.puts())
        with self._write_failures:
            self.journaled.append(write.changes, self.generation)

    def apply(self, write: AtomicWrite, appended_bytes: int) -> None:
        """The second half of `write`, on the event loop. Raises `StorageFailed`."""
        with self._write_failures:
            self.journaled.apply(write.changes, self.generation)
        self.room.on_written(appended_bytes)

    def check(self) -> None:
        """Raises `StorageFailed` if a flush failed: RocksDB reports it with the next write."""
        self.write(self.new_write(), 0)

    def sync(self) -> None:
        """Syncs the journal against a loss of power. Blocks; frees the lock.

        Raises:
            StorageFailed: what was written since the last sync may not survive.
        """
        with self._sync_failures:
            sequence = self.journaled.sync()
        self._opening.mark.advance(sequence)

    def roll(self, *, wait: bool = False) -> None:
        """Begins the next generation: the memtables are handed over to be flushed. Blocks.

        Raises:
            StorageFailed
        """
        with self._flush_failures:
            self.journaled.roll(wait=wait)
        self._open_generation = OpenGeneration(self.generation + 1, self._flush_bytes)

    def delete_log(self, log_key: bytes) -> None:
        """Deletes one log; see `delete_logs`."""
        self.delete_logs([log_key])

    def delete_logs(self, log_keys: Sequence[bytes]) -> None:
        """Deletes logs in one atomic write. Their space is reclaimed later.

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
        """Ends the generation if logs were deleted in it: till then they are in memory."""
        if self._open_generation.tombstones:
            self._open_generation.must_end = True

    def replace(
        self,
        write: AtomicWrite,
        log_key: bytes,
        size_bytes: int,
        replacements: Sequence[Replacement],
    ) -> int:
        """Adds the replacement of batches to `write`; returns the bytes by which the log shrinks.

        `size_bytes`: of the log before it. Nothing else may be done to it in the same write.
        """
        added, deleted = replaced = replace_batches(
            write, self.reader, log_key, size_bytes, replacements
        )
        gone_bytes = replaced.gone_bytes
        self._note_replaced(write, added, deleted)
        return gone_bytes

    def find_reclaimable(self, *, is_tight: bool = False) -> Counter[int]:
        """Returns the next generations worth rewriting, with the deleted bytes of each.

        On a full disk, and with `is_tight`, that is one generation whose live data fits into the
        free space. Call `write_tombstones`, `reclaimer.rewrite` and `note_reclaimed` for them.
        """
        is_short = is_tight or self.is_full
        return self.reclaimer.find(self.generation, self.room.free_bytes(), is_short=is_short)

    def write_tombstones(self, generations: Collection[int]) -> None:
        """Writes the range tombstones of dead logs in `generations` to a file of their own.

        Begins a generation. Blocks until the memtables are flushed. Raises `StorageFailed`.
        """
        # RocksDB merges memtables that wait for a flush, and all that a start recovers, into one
        # file. With tombstones and newer batches in one file it would rewrite
        # everything between them.
        self._database.allow_compactions(allowed=False)
        self.roll(wait=True)
        write = self.new_write()
        self.reclaimer.write_tombstones(write, generations)
        # Not in the journal: they are durable at once, and written again if they are lost.
        with self._write_failures:
            self._database.write_unmarked(write.changes)
        with self._flush_failures:
            self._database.flush(wait=True)
        # On a full disk this runs for one generation after another.
        self.journaled.remove_flushed()

    def note_reclaimed(self, reclaimed: Counter[int]) -> None:
        """Raises `StorageFailed`."""
        write = self.new_write()
        note_reclaimed(write, self.reader, reclaimed)
        self.write(write, 0)

    def stop_reclaiming(self) -> None:
        """Cancels a `rewrite` in another thread. Only `close` may follow."""
        self._database.stop_compacting()

    def head(self, log_key: bytes) -> LogHead:
        row = self.reader.row(head_key(log_key))
        return LogHead() if row is None else LogHead.unpack(row)

    def recover(self) -> None:
        """Opens the database again after a failure, read-only if it cannot be written. Blocks.

        Raises:
            StorageFailed: it cannot be written yet; reads still work.
        """
        try:
            database, failure = self._opening.again(self.journaled, self.identity, self.room)
            self._use(database)
        except StorageFailed:
            raise
        except Exception as error:
            raise StorageFailed(f"cannot open {self.path} again: {error!r}") from error
        if failure is not None:
            raise StorageFailed(failure)

    def close(self) -> None:
        """Flushes, closes and unlocks the directory. Blocks. Closing twice is no error."""
        if self.is_writable:
            with suppress(StorageFailed):
                # The next start has nothing to replay.
                self.sync()
                self.roll(wait=True)
                self.journaled.remove_flushed()
                self._opening.mark.end(self.sequence)
        self.journaled.close()
        self._opening.close()

    def _use(self, journaled: JournaledDatabase) -> None:
        self.journaled = journaled
        self._database = database = journaled.database
        self.reader = LogReader(database, self.read_failures)
        self.reclaimer = Reclaimer(database, self.reader, flush_bytes=self._flush_bytes)
        last = self.reader.last_row(GENERATIONS, generation_key(COMPACTED_BIT))
        # Opening flushes the recovered memtables, so a generation never continues after it.
        number = 0 if last is None else int.from_bytes(last[0][1:], "big") + 1
        self._open_generation = OpenGeneration(number, self._flush_bytes)

    def _note_replaced(
        self, write: AtomicWrite, added: Counter[int], deleted: Counter[int]
    ) -> None:
        """Counts replaced bytes by generation; every write stores those of the open one."""
        self._open_generation.replace(added, deleted)
        note_deleted(write, self.reader, deleted, added)
