"""Replay: brings RocksDB to the end of the journal after an unclean end.

RocksDB flushes its families one by one, so after a crash their markers (see `marker.py`) differ. Of
each group only the changes of families with a smaller marker are applied: nothing is applied twice.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

from partition_svc.store.atomic_write import STATE, Changes
from partition_svc.store.failures import StorageFailed
from partition_svc.store.journal.reading import JournalEnd, JournalReader
from partition_svc.store.journal.record import ChangeGroup

log = logging.getLogger(__name__)

_PROGRESS_S: Final = 1.0
_MIB: Final = 1 << 20


class JournalDamaged(StorageFailed):
    """Raised when synced groups, or groups that later files follow, cannot be read."""


class Replayed(NamedTuple):
    """Outcome of a replay: the end of the journal, its epoch, and how much was applied."""

    end: JournalEnd
    epoch: int
    groups: int
    size_bytes: int


def replay(
    directory: Path,
    markers: Sequence[int],
    apply: Callable[[ChangeGroup], None],
    *,
    synced_sequence: int,
    shown: Path,
) -> Replayed:
    """Applies the groups that RocksDB lacks. Blocks; logs its progress.

    `markers`: those of the families. `apply` gets groups that have only the changes to apply.
    `synced_sequence`: all groups up to it must be there. `shown`: the directory for messages.

    Raises:
        JournalDamaged: nothing may be served; an operator has to decide.
        StorageFailed: RocksDB refused the changes.
        OSError: the journal cannot be read.
    """
    reader = JournalReader(directory, stored_sequence=stored_sequence(markers))
    applied = size = 0
    due = monotonic() + _PROGRESS_S
    for group in reader.groups():
        rest = missing_changes(group, markers)
        if not rest:
            continue
        apply(group._replace(changes=rest))
        applied += 1
        size += sum(len(part) for _, _, parts in rest for part in parts)
        if monotonic() >= due:
            due = monotonic() + _PROGRESS_S
            log.info("%s: replayed %.0f MiB of the journal so far", shown, size / _MIB)
    end = reader.end
    if end.is_damage(synced_sequence):
        raise JournalDamaged(_damage_in_words(end, synced_sequence, shown))
    _report(end, applied, size, synced_sequence, shown)
    return Replayed(end, reader.epoch, applied, size)


def stored_sequence(markers: Sequence[int]) -> int:
    """The last group that RocksDB has; 0 if the marker of the state cannot be read.

    Every group changes the state, so its marker is the largest.
    """
    return max(markers) if markers[STATE] else 0


def missing_changes(group: ChangeGroup, markers: Sequence[int]) -> list[Changes]:
    """The changes of a group to families whose marker is smaller: RocksDB lacks them."""
    return [run for run in group.changes if group.sequence > markers[run[0]]]


def _report(end: JournalEnd, applied: int, size: int, synced_sequence: int, shown: Path) -> None:
    if applied:
        log.warning(
            "%s: the last process did not close it: replayed %d changes (%.1f MiB) of the journal "
            "up to change %d; changes up to %d or later had been synced",
            *(shown, applied, size / _MIB, end.sequence, synced_sequence),
        )
    if end.unreadable_bytes and end.path is not None:
        log.warning(
            "%s: the end of the journal is torn: %d bytes of %s from position %d are no whole "
            "change; they were not synced, so only appends with acks=1 can be missing",
            *(shown, end.unreadable_bytes, end.path.name, end.position),
        )


def _damage_in_words(end: JournalEnd, synced_sequence: int, shown: Path) -> str:
    name = "no file" if end.path is None else end.path.name
    last = max(synced_sequence, end.expected_sequence - 1)
    return (
        f"{shown}: the journal is damaged in {name} at position {end.position}: changes "
        f"{end.sequence + 1} to {last} were acknowledged and cannot be read, and "
        f"{end.unreadable_bytes} bytes follow. Restore the volume from a backup, or drop these "
        f"changes: `ringlog store check {shown}` shows them, `ringlog store truncate {shown}` "
        "drops them"
    )
