"""Journals for tests, with groups of one row each."""

from collections.abc import Collection
from pathlib import Path

from partition_svc.store.atomic_write import PUT, STATE, Changes
from partition_svc.store.journal.journal import Journal
from partition_svc.store.journal.journal_file import FileHeader, JournalFile, file_path
from partition_svc.store.journal.reading import JournalEnd, JournalReader
from partition_svc.store.journal.record import encode

CHUNK_BYTES = 4096


def row(key: bytes, value: bytes = b"value", family: int = STATE) -> list[Changes]:
    return [(family, PUT, [key, value])]


def new_journal(
    directory: Path, *, epoch: int = 1, last_sequence: int = 0, chunk_bytes: int = CHUNK_BYTES
) -> Journal:
    return Journal(directory, epoch=epoch, last_sequence=last_sequence, chunk_bytes=chunk_bytes)


def write_file(
    directory: Path, number: int, sequences: Collection[int], *, epoch: int = 1, first: int = 0
) -> Path:
    """Writes a file with groups; `first`: the one that its header names, if that is another."""
    header = FileHeader(epoch, first or min(sequences))
    path = file_path(directory, number)
    file = JournalFile(path, number, header, reserve_bytes=CHUNK_BYTES)
    for sequence in sequences:
        file.append(*encode(sequence, epoch, 0, row(b"key%d" % sequence)))
    file.close()
    return path


def read(directory: Path, *, stored_sequence: int = 0) -> tuple[list[int], JournalEnd]:
    """Numbers of the groups that can be read, and the end."""
    reader = JournalReader(directory, stored_sequence=stored_sequence)
    sequences = [group.sequence for group in reader.groups()]
    return sequences, reader.end
