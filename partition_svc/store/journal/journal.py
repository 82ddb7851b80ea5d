"""The journal: what is stored is in a file of ours before it is in RocksDB ([ADR 8]).

RocksDB gets the same changes without its write-ahead log. Each file holds the changes of about one
generation. When all column families are flushed past a file, it is removed.

[ADR 8]: docs/adr/0008-journal.md
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Final

from partition_svc.store.atomic_write import FAMILY_COUNT, Changes
from partition_svc.store.failures import StorageFailed
from partition_svc.store.journal.journal_file import (
    FileHeader,
    JournalFile,
    NoRoomForFile,
    file_numbers,
    file_path,
)
from partition_svc.store.journal.pending_flushes import PendingFlushes
from partition_svc.store.journal.record import encode

FOLDER: Final = "journal"
#: A write to the page cache takes some microseconds, 1 ms for 4 MB.
_SLOW_S: Final = 0.005
_SLOW_PAUSE_S: Final = 1.0


class Journal:
    """Open for appending. `append` may run on the event loop, the rest in the disk thread."""

    def __init__(
        self, directory: Path, *, epoch: int, last_sequence: int, chunk_bytes: int
    ) -> None:
        """Begins a file after the existing ones, which were replayed. Blocks on disk.

        `epoch`: larger than those of the existing files. `chunk_bytes` are allocated at a time.

        Raises:
            OSError
        """
        self._directory = directory
        self._epoch = epoch
        self._chunk_bytes = chunk_bytes
        #: Number of the last group. It grows by one with every atomic write.
        self.sequence = last_sequence
        #: True if the disk has no room for the next chunk.
        self.is_short = False
        self._slow_until = 0.0
        self._pending = PendingFlushes(FAMILY_COUNT)
        numbers = file_numbers(directory)
        self._oldest = numbers[0] if numbers else 1
        self._file = self._create(numbers[-1] + 1 if numbers else 1)

    def append(self, changes: Sequence[Changes], generation: int) -> int:
        """Writes a group to the page cache: it survives the process. Returns its number.

        Raises:
            OSError: part of it may be in the file; nothing may be appended any more.
        """
        sequence = self.sequence + 1
        buffers, size = encode(sequence, self._epoch, generation, changes)
        began = monotonic()
        self._file.append(buffers, size)
        ended = monotonic()
        if ended - began > _SLOW_S:
            self._slow_until = ended + _SLOW_PAUSE_S
        self.sequence = sequence
        return sequence

    def take_back(self) -> None:
        """Removes the last group, which RocksDB refused and no sync has followed.

        Nothing may be appended afterwards. Raises `OSError`: it may still be there.
        """
        self._file.take_back()
        self.sequence -= 1

    @property
    def is_slow(self) -> bool:
        """True if an append was slow lately: the kernel holds writers back for a busy disk."""
        return self._slow_until > 0 and monotonic() < self._slow_until

    def sync(self) -> int:
        """Makes all groups durable that are written now; returns the number of the last.

        Raises:
            OSError
        """
        sequence = self.sequence
        self._file.sync()
        return sequence

    def write_again(self) -> None:
        """Makes all groups durable after a failure. Blocks. Raises `OSError`: they may not be."""
        self._file.write_again()

    @property
    def needs_space(self) -> bool:
        """True if `extend` should be called before the next appends."""
        return self._file.free_bytes < self._chunk_bytes // 2

    def extend(self) -> None:
        """Allocates space in advance, so that groups cannot meet a full disk. Blocks."""
        try:
            if self.needs_space:
                self._file.allocate(self._chunk_bytes)
        except OSError:
            self.is_short = True
        else:
            self.is_short = False

    def begin_file(self, families: Collection[int]) -> None:
        """Ends the file with the generation. Blocks. Without room for another, both share one.

        Call it before the memtables of `families`, the changed ones, are handed over.

        Raises:
            OSError: this file or the next could not be synced. A header of the next may be on the
                disk, so nothing may be appended any more.
        """
        self._file.sync()
        before = self._file
        with suppress(NoRoomForFile):
            self._file = self._create(before.number + 1)
            before.close()
        self._pending.hand_over(families, before.number)

    def remove_flushed(self, immutable_memtables: Callable[[], Sequence[int]]) -> None:
        """Removes the files that all families are flushed past. Blocks.

        Raises:
            StorageFailed: the memtables cannot be counted.
        """
        if self._oldest < self._file.number:
            needed = self._pending.first_needed(immutable_memtables())
            self._remove_before(self._file.number if needed is None else needed)

    @property
    def has_old_files(self) -> bool:
        return self._oldest < self._file.number

    def close(self) -> None:
        self._file.close()

    def _create(self, number: int) -> JournalFile:
        return JournalFile(
            file_path(self._directory, number),
            number,
            FileHeader(self._epoch, self.sequence + 1),
            reserve_bytes=self._chunk_bytes,
        )

    def _remove_before(self, number: int) -> None:
        for old in range(self._oldest, number):
            try:
                file_path(self._directory, old).unlink(missing_ok=True)
            except OSError as error:
                raise StorageFailed(f"cannot remove a journal file: {error}") from error
            self._oldest = old + 1
