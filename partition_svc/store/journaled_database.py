"""A RocksDB and its journal, which together store groups of changes atomically.

A group is in the journal first. If that fails, RocksDB has nothing of it. If RocksDB fails
afterwards, the journal takes it back; if that fails too, opening both again applies it. Either way
nothing may be written before they were opened again.
"""

import contextlib
from collections.abc import Sequence
from typing import Final

from partition_svc.store.atomic_write import Changes
from partition_svc.store.database import Database
from partition_svc.store.failures import StorageFailed, storage_failures
from partition_svc.store.journal.journal import Journal
from partition_svc.store.journal.record import ChangeGroup

_REPLAY_FAILURES: Final = storage_failures("replay the journal")


class JournaledDatabase:
    """Writes to `database`, which others read. Without a journal it is read-only."""

    def __init__(self, database: Database, journal: Journal | None = None) -> None:
        self.database = database
        self._journal = journal
        self._failure: Exception | None = None
        #: True if the last group is in the journal only.
        self._must_apply = False

    @property
    def is_writable(self) -> bool:
        return self._journal is not None and self._failure is None

    @property
    def sequence(self) -> int:
        """Number of the last group; 0 if the database is read-only."""
        return 0 if self._journal is None else self._journal.sequence

    @property
    def is_short(self) -> bool:
        """True if the disk has no room for more of the journal."""
        return self._journal is not None and self._journal.is_short

    @property
    def is_slow(self) -> bool:
        """True if `append` should not run on the event loop."""
        return self._journal is not None and self._journal.is_slow

    @property
    def needs_space(self) -> bool:
        """True if `extend` should be called before the next write."""
        return self._journal is not None and self._journal.needs_space

    @property
    def has_old_files(self) -> bool:
        """True if the journal has files that can be removed after a flush."""
        return self._journal is not None and self._journal.has_old_files

    def write(self, changes: Sequence[Changes], generation: int) -> None:
        """Stores a group in the page cache: it survives the process, not a loss of power.

        Raises exceptions of all kinds, and again at each later call.
        """
        self.append(changes, generation)
        self.apply(changes, generation)

    def append(self, changes: Sequence[Changes], generation: int) -> None:
        """The first half of `write`, which may block. Nothing may be written before the second.

        If the second never comes, the next opening applies the group.
        """
        journal = self._writable_journal()
        try:
            journal.append(changes, generation)
        except Exception as error:
            self._failure = error
            raise
        self._must_apply = True

    def apply(self, changes: Sequence[Changes], generation: int) -> None:
        """The second half of `write`. If it fails, the journal does not keep the group either."""
        try:
            self.database.write(changes, self.sequence, generation)
        except Exception as error:
            self._failure = error
            if self._journal is not None:
                # If this fails too, the next opening applies a group that was refused.
                with contextlib.suppress(OSError):
                    self._journal.take_back()
            raise
        self._must_apply = False

    def sync(self) -> int:
        """Syncs all groups against a loss of power; returns the number of the last.

        Blocks; frees Python's lock. Nothing may be written meanwhile.
        """
        try:
            return self._writable_journal().sync()
        except Exception as error:
            self._failure = error
            raise

    def roll(self, *, wait: bool) -> None:
        """Begins a file of the journal, and hands the memtables over to be flushed. Blocks.

        Raises exceptions of all kinds, and again at each later call.
        """
        journal = self._writable_journal()
        try:
            journal.begin_file(self.database.changed_families)
            self.database.flush(wait=wait)
        except Exception as error:
            self._failure = error
            raise

    def extend(self) -> None:
        """Allocates space of the journal in advance. Blocks."""
        if self._journal is not None:
            self._journal.extend()

    def remove_flushed(self) -> None:
        """Removes the journal's files that are not needed any more. Blocks."""
        # After a failure it is not known which memtables were handed over.
        if self._journal is not None and self._failure is None:
            self._journal.remove_flushed(self.database.immutable_memtables)

    def secure(self) -> None:
        """Makes all groups durable in the journal, also after a failed sync. Blocks.

        RocksDB flushes its families one by one when it is closed. If the power fails meanwhile, the
        journal must have what they have, or a group would be there in part.

        Raises:
            OSError
        """
        if self._journal is not None:
            self._journal.write_again()

    def close(self) -> None:
        """Closes both. Never fails."""
        if self._journal is not None:
            # RocksDB flushes now, and must have nothing that the journal could lose.
            with contextlib.suppress(Exception):
                self.secure()
            self._journal.close()
        self.database.close()

    def _writable_journal(self) -> Journal:
        if self._failure is not None:
            raise StorageFailed(str(self._failure)) from self._failure
        if self._journal is None:
            raise StorageFailed("the store is read-only")
        if self._must_apply:
            # A caller that was cancelled. The file of the journal must not be ended or removed.
            raise StorageFailed("the last change was not completed")
        return self._journal


class ReplayTarget:
    """Applies groups of a journal to a database. A memtable still holds one generation only."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._generation: int | None = None

    def apply(self, group: ChangeGroup) -> None:
        """Raises `StorageFailed`."""
        with _REPLAY_FAILURES:
            if self._generation not in (None, group.generation):
                self._database.flush(wait=True)
            self._generation = group.generation
            self._database.write(group.changes, group.sequence, group.generation)
