"""Reads the files of a journal in order, and finds where they end or are damaged.

The records of all files have consecutive sequence numbers. A file ends where the next one begins;
the last one ends with its last whole record. The end of a journal may be torn: a group that was
never synced may be there in part. The mark names the last synced group, so that a torn end can be
told from damage (see `common/disk/synced_mark.py`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from partition_svc.store.journal.journal_file import (
    HEADER_BYTES,
    FileHeader,
    file_numbers,
    file_path,
)
from partition_svc.store.journal.record import HEADER_BYTES as RECORD_HEADER_BYTES
from partition_svc.store.journal.record import ChangeGroup, RecordHead, decode

#: The mark of synced groups, beside the folder. That of RocksDB's log is `SYNCED`.
MARK_NAME: Final = "SYNCED-JOURNAL"
_BUFFER_BYTES: Final = 1 << 20


class JournalEnd(NamedTuple):
    """End of what can be read: the last group, and the position behind it in its file.

    `unreadable_bytes`: data behind it that is no record. `expected_sequence`: the first group of
    the file that follows, if there is one; the groups before it are missing.
    """

    sequence: int
    path: Path | None = None
    position: int = 0
    unreadable_bytes: int = 0
    expected_sequence: int = 0

    def is_damage(self, synced_sequence: int) -> bool:
        """True if groups are missing that were synced, or that later files follow."""
        return self.sequence < max(synced_sequence, self.expected_sequence - 1)


class JournalReader:
    """Reads one journal. `end` is valid once `groups` is exhausted."""

    def __init__(self, directory: Path, *, stored_sequence: int = 0) -> None:
        """`stored_sequence`: the last group that RocksDB has; 0 if that is not known.

        The journal ends with it if there is no file, and must not begin later than after it.
        """
        self._directory = directory
        self._stored_sequence = stored_sequence
        self.end = JournalEnd(stored_sequence)
        #: The largest epoch of a file.
        self.epoch = 0

    def groups(self) -> Iterator[ChangeGroup]:
        """All groups that can be read, in order, up to the first that is missing.

        Raises:
            OSError
        """
        files = needed_files(self._directory)
        for index, (path, header) in enumerate(files):
            if header is None:
                following = _first_sequence(files[index + 1 :])
                self.end = self._unreadable_file(path, index, following)
            else:
                self.epoch = max(self.epoch, header.epoch)
                if index == 0 and not self._begins_with(path, header.first_sequence):
                    return
                following = _first_sequence(files[index + 1 : index + 2])
                yield from self._groups(path, header, following)
            if self.end.expected_sequence > self.end.sequence + 1:
                return

    def _groups(
        self, path: Path, header: FileHeader, following: int | None
    ) -> Iterator[ChangeGroup]:
        sequence, position = self.end.sequence, HEADER_BYTES
        with path.open("rb", buffering=_BUFFER_BYTES) as file:
            file.seek(position)
            size = path.stat().st_size
            while following is None or sequence + 1 < following:
                group = _next_group(file, size - position)
                if group is None or (group.epoch, group.sequence) != (header.epoch, sequence + 1):
                    break
                yield group
                sequence, position = group.sequence, file.tell()
            is_complete = following == sequence + 1
            lost_bytes = 0 if is_complete else _data_end(file, position) - position
        self.end = JournalEnd(sequence, path, position, lost_bytes, following or 0)

    def _begins_with(self, path: Path, first_sequence: int) -> bool:
        """Sets the end before the first file; returns False if a file before it is missing."""
        if 0 < self._stored_sequence < first_sequence - 1:
            self.end = JournalEnd(self._stored_sequence, path, 0, 0, first_sequence)
            return False
        self.end = JournalEnd(first_sequence - 1)
        return True

    def _unreadable_file(self, path: Path, index: int, following: int | None) -> JournalEnd:
        with path.open("rb", buffering=_BUFFER_BYTES) as file:
            lost_bytes = _data_end(file, 0)
        if index == 0 and following is not None:
            # Nothing says which groups it had.
            return JournalEnd(0, path, 0, lost_bytes, following)
        return JournalEnd(self.end.sequence, path, 0, lost_bytes, following or 0)


class HeadedFile(NamedTuple):
    """A file of the journal; `header` is None if it cannot be read."""

    path: Path
    header: FileHeader | None


def needed_files(directory: Path) -> list[HeadedFile]:
    """The files of the last epoch. Raises `OSError`.

    An epoch begins when RocksDB has all groups of the files before. They are removed then, which a
    crash may interrupt. A file of zeros was never in use: its header comes first.
    """
    files = []
    for number in _without_leftovers(file_numbers(directory)):
        path = file_path(directory, number)
        with path.open("rb", buffering=_BUFFER_BYTES) as file:
            header = FileHeader.unpack(file.read(HEADER_BYTES))
            if header is not None or _data_end(file, 0):
                files.append(HeadedFile(path, header))
    epochs = [0 if file.header is None else file.header.epoch for file in files]
    first = epochs.index(max(epochs)) if any(epochs) else 0
    # A file whose header is damaged may be the first of the epoch.
    while first and files[first - 1].header is None:
        first -= 1
    return files[first:]


def _first_sequence(files: list[HeadedFile]) -> int | None:
    return next((file.header.first_sequence for file in files if file.header is not None), None)


def _without_leftovers(numbers: list[int]) -> list[int]:
    """The last consecutive numbers. Files are removed in order, but a power loss may undo some."""
    first = len(numbers) - 1
    while first > 0 and numbers[first - 1] == numbers[first] - 1:
        first -= 1
    return numbers[max(first, 0) :]


def _next_group(file: BinaryIO, left: int) -> ChangeGroup | None:
    """The group at the position of `file`, where `left` bytes are left; None for no whole one."""
    head = file.read(RECORD_HEADER_BYTES)
    if len(head) < RECORD_HEADER_BYTES:
        return None
    size = RecordHead.unpack(head).size_bytes
    # Checked before anything is read: damage may look like a length of gigabytes.
    if not 0 < size <= left - RECORD_HEADER_BYTES:
        return None
    return decode(head, file.read(size))


def _data_end(file: BinaryIO, position: int) -> int:
    """Position behind the last byte that is not zero; at least `position`."""
    file.seek(position)
    end = position
    while block := file.read(_BUFFER_BYTES):
        if kept := len(block.rstrip(b"\0")):
            end = position + kept
        position += len(block)
    return end
