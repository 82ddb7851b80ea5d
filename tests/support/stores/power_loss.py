"""Files after a power loss: everything synced, and possibly some of the rest.

The journal of `faulty_disk.c` contains the synced size of each file, and the names that were
created, changed and removed in a directory since its last sync. After the process was killed, `cut`
reverts changes that were not synced: the ends of files, and the latest changes of names.
"""

import os
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.support.stores.faulty_disk import FaultyDisk


class _NameChange(NamedTuple):
    """A change of a directory: a file was created, removed, or renamed from `old` to `path`."""

    kind: str
    inode: int
    path: Path
    old: Path | None = None
    replaced: int = 0


class _Journal:
    def __init__(self, lines: list[str]) -> None:
        self.synced: dict[int, int] = {}
        #: Changes of names that were not synced, by directory, in order.
        self.unsynced: dict[Path, list[_NameChange]] = defaultdict(list)
        for line in lines:
            self._read(*line.split("\t"))

    def _read(self, kind: str, *words: str) -> None:
        if kind == "S":
            self.synced[int(words[0])] = int(words[1])
        elif kind == "D":
            self.unsynced.pop(Path(words[0]), None)
        elif kind == "R":
            moved, replaced, old, new = words
            change = _NameChange(kind, int(moved), Path(new), Path(old), int(replaced))
            self.unsynced[change.path.parent].append(change)
        else:
            change = _NameChange(kind, int(words[0]), Path(words[1]))
            if kind == "C":
                self.synced[change.inode] = 0
            self.unsynced[change.path.parent].append(change)


def cut(disk: FaultyDisk, rng: Random) -> int:
    """Keeps durable data and randomly some more; returns the number of lost bytes and names.

    The process must have ended. Another one may be started on the same `disk` afterwards.
    """
    journal = _Journal(disk.journal.read_text(encoding="utf-8").splitlines())
    lost = 0
    for changes in journal.unsynced.values():
        # File systems keep the order of such changes; only the latest are lost.
        survive = rng.choice([0, rng.randint(0, len(changes))])
        for change in reversed(changes[survive:]):
            _revert(change, disk.kept)
            lost += 1
    for path in [file for file in disk.root.rglob("*") if file.is_file()]:
        if path.name.startswith("LOG") or path.name == "LOCK":
            continue
        status = path.stat()
        synced = min(journal.synced.get(status.st_ino, 0), status.st_size)
        kept = rng.choice([synced, rng.randint(synced, status.st_size)])
        os.truncate(path, kept)
        lost += status.st_size - kept
    _mark_all_durable(disk)
    return lost


def _revert(change: _NameChange, kept: Path) -> None:
    if change.kind == "U":
        if not change.path.exists():
            os.link(kept / str(change.inode), change.path)
    elif change.path.exists() and change.path.stat().st_ino == change.inode:
        if change.kind == "C":
            change.path.unlink()
            return
        assert change.old is not None
        change.path.rename(change.old)
        if change.replaced:
            os.link(kept / str(change.replaced), change.path)


def _mark_all_durable(disk: FaultyDisk) -> None:
    """Marks everything present now as durable."""
    lines = [
        f"S\t{file.stat().st_ino}\t{file.stat().st_size}\n"
        for file in disk.root.rglob("*")
        if file.is_file()
    ]
    disk.journal.write_text("".join(lines), encoding="utf-8")
    for file in disk.kept.iterdir():
        file.unlink()
