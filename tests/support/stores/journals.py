"""Journals of stores, for tests: killed stores, and damage."""

from pathlib import Path

from partition_svc.store.journal.journal import FOLDER
from partition_svc.store.journal.journal_file import file_numbers, file_path
from tests.support.stores.bit_rot import flip
from tests.support.stores.crash_copies import copy_open_store
from tests.support.stores.log_stores import opened, store_batches


def killed_store(path: Path, *, batches: list[bytes], roll_after: int | None = None) -> Path:
    """A data directory as after SIGKILL, with each batch in a group of its own, all synced.

    `roll_after`: number of batches in the first generation, which is flushed.
    """
    running = path.with_name(path.name + "-running")
    with opened(running) as store:
        for number, batch in enumerate(batches):
            if number == roll_after:
                store.roll(wait=True)
            store_batches(store, 10 * number, batch)
            store.sync()
        copy_open_store(running, path)
    return path


def journal_files(path: Path) -> list[Path]:
    """The files of the journal of a data directory, oldest first."""
    folder = path / FOLDER
    return [file_path(folder, number) for number in file_numbers(folder)]


def damage_journal(path: Path, content: bytes) -> Path:
    """Flips a byte of `content` in the journal of a data directory; returns the file."""
    for file in journal_files(path):
        position = file.read_bytes().find(content)
        if position >= 0:
            flip(file, position)
            return file
    raise AssertionError(f"no file of the journal has {content[:20]!r}")


def tree_of(path: Path) -> dict[str, bytes]:
    """Names and contents of all files below a directory."""
    files = (file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in files}
