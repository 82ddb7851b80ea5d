"""The state of a store's journal as text for people. Pure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from common.disk.synced_mark import Mark
from partition_svc.store.journal.inspection import FileReport, JournalReport
from partition_svc.store.journal.reading import MARK_NAME
from partition_svc.store.keys import BATCHES, COMPACTED_BATCHES
from ringlog.cli.output import text_table

_HEAD: Final = ("FILE", "EPOCH", "FIRST", "LAST", "BYTES")
_UNKNOWN: Final = "?"


def report_text(directory: Path, report: JournalReport, mark: Mark | None) -> str:
    """Renders the files, the ends of journal and RocksDB, and the verdict."""
    table = text_table(_HEAD, map(_file_row, report.files)) if report.files else ""
    lines = (
        *(_end_line(report), _synced_line(mark), _markers_line(report.markers)),
        verdict(report),
    )
    return f"{directory}\n{table}" + "".join(f"{line}\n" for line in lines)


def verdict(report: JournalReport) -> str:
    """Renders what the next start would do."""
    if report.is_empty:
        return "sound: it has no journal yet"
    if report.is_damaged:
        return damage_line(report)
    replayed = f"{_changes(report.missing)} would be replayed"
    if report.end.unreadable_bytes:
        return (
            f"the end is torn: {report.end.unreadable_bytes} bytes that were never synced would be "
            f"dropped; {replayed}"
        )
    return f"sound: {replayed}"


def damage_line(report: JournalReport) -> str:
    """Renders the damage: its position, and the changes that are missing."""
    end = report.end
    file = "the end: there is no file" if end.path is None else end.path.name
    position = "" if end.path is None else f" position {end.position}"
    return (
        f"DAMAGED at {file}{position}: changes {end.sequence + 1} to "
        f"{report.last_missing_sequence} are missing"
    )


def dropped_text(report: JournalReport, files: Sequence[Path]) -> str:
    """Renders what a truncation drops, in lines."""
    lines = [damage_line(report)]
    if files:
        end = report.end
        lines.append(f"{files[0].name}: everything from position {end.position} on is dropped")
    lines += [f"{path.name}: is dropped" for path in files[1:]]
    ahead = max(report.markers)
    if ahead > report.end.sequence:
        lines.append(f"RocksDB has a part of the changes up to {ahead}, which stays")
    return "".join(f"{line}\n" for line in lines)


def _file_row(file: FileReport) -> Sequence[str]:
    epoch = first = last = _UNKNOWN
    if file.header is not None:
        epoch, first = map(str, file.header)
        if file.last_sequence is not None:
            is_used = file.last_sequence >= file.header.first_sequence
            last = str(file.last_sequence) if is_used else "-"
    return file.path.name, epoch, first, last, str(file.size_bytes)


def _end_line(report: JournalReport) -> str:
    end = report.end
    if end.path is None:
        return f"end: change {end.sequence}, no file"
    rest = f", {end.unreadable_bytes} unreadable bytes follow" if end.unreadable_bytes else ""
    return f"end: change {end.sequence}, at position {end.position} of {end.path.name}{rest}"


def _synced_line(mark: Mark | None) -> str:
    if mark is None:
        return f"synced: unknown, {MARK_NAME} is missing or damaged"
    closed = "closed" if mark.was_closed else "not closed"
    return f"synced: up to change {mark.sequence}, {closed} by the last process"


def _markers_line(markers: Sequence[int]) -> str:
    names = ("state", BATCHES, COMPACTED_BATCHES)
    families = ", ".join(
        f"{name} up to change {marker}" for name, marker in zip(names, markers, strict=True)
    )
    return f"in RocksDB's files: {families}"


def _changes(count: int) -> str:
    return f"{count} change" if count == 1 else f"{count} changes"
