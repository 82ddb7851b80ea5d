"""Truncation: drops the damaged rest of a journal, after copies of its files are safe."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from partition_svc.store.journal.journal_file import file_numbers, file_path, sync_directory
from partition_svc.store.journal.reading import JournalEnd

_DROPPED: Final = "dropped-"


def dropped_files(folder: Path, end: JournalEnd) -> list[Path]:
    """The file that `end` is in, and all later ones; none if the journal has no file."""
    if end.path is None:
        return []
    first = int(end.path.stem)
    return [file_path(folder, number) for number in file_numbers(folder) if number >= first]


def truncate(folder: Path, end: JournalEnd) -> Path | None:
    """Drops everything behind `end`; returns the folder with copies of the changed files. Blocks.

    Raises:
        OSError
    """
    files = dropped_files(folder, end)
    if end.path is None or not files:
        return None
    kept = _keep(folder, files)
    # From the last on: the reader takes a gap between files for the start of the journal.
    for path in reversed(files[1:]):
        path.unlink()
        sync_directory(folder)
    if end.position:
        _cut(end.path, end.position)
    else:
        end.path.unlink()
        sync_directory(folder)
    return kept


def _keep(folder: Path, files: Sequence[Path]) -> Path:
    """Copies files durably to a new folder."""
    numbers = [path.name.removeprefix(_DROPPED) for path in folder.glob(f"{_DROPPED}*")]
    kept = folder / f"{_DROPPED}{max((int(n) for n in numbers if n.isdecimal()), default=0) + 1}"
    kept.mkdir()
    for path in files:
        copy = kept / path.name
        shutil.copyfile(path, copy)
        _sync(copy)
    sync_directory(kept)
    sync_directory(folder)
    return kept


def _cut(path: Path, position: int) -> None:
    os.truncate(path, position)
    _sync(path)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
