"""The state of a journal, read without changing it, so that an operator can decide."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from partition_svc.store.journal.journal_file import FileHeader
from partition_svc.store.journal.reading import (
    HeadedFile,
    JournalEnd,
    JournalReader,
    needed_files,
)
from partition_svc.store.journal.replay import missing_changes, stored_sequence


class FileReport(NamedTuple):
    """One file. `header` is None if it cannot be read.

    `last_sequence`: its last group; the one before its first if it has none; None if unknown.
    """

    path: Path
    size_bytes: int
    header: FileHeader | None
    last_sequence: int | None


class JournalReport(NamedTuple):
    """Findings of the next start. `missing`: groups that a replay would apply to RocksDB.

    `markers`: those of RocksDB's families. `synced_sequence`: the last group known to be synced.
    """

    files: Sequence[FileReport]
    end: JournalEnd
    missing: int
    markers: Sequence[int]
    synced_sequence: int

    @property
    def is_empty(self) -> bool:
        """True for a new store, or one of a release that had no journal."""
        return not self.files and not any(self.markers)

    @property
    def is_damaged(self) -> bool:
        """True if the next start would be refused."""
        return not self.is_empty and self.end.is_damage(self.synced_sequence)

    @property
    def last_missing_sequence(self) -> int:
        """The last group that is known to be lost, if the journal is damaged."""
        return max(self.synced_sequence, self.end.expected_sequence - 1)


def inspect(folder: Path, markers: Sequence[int], synced_sequence: int) -> JournalReport:
    """Reads the whole journal in `folder`, as a start would.

    Raises:
        OSError
    """
    reader = JournalReader(folder, stored_sequence=stored_sequence(markers))
    missing = sum(1 for group in reader.groups() if missing_changes(group, markers))
    reports = _file_reports(needed_files(folder), reader.end)
    return JournalReport(reports, reader.end, missing, markers, synced_sequence)


def _file_reports(files: Sequence[HeadedFile], end: JournalEnd) -> list[FileReport]:
    reports = []
    for index, (path, header) in enumerate(files):
        following = [file.header for file in files[index + 1 : index + 2]]
        last: int | None = None
        if header is not None and path == end.path:
            last = end.sequence
        elif header is not None and following and following[0] is not None:
            last = following[0].first_sequence - 1
        reports.append(FileReport(path, path.stat().st_size, header, last))
    return reports
