"""Files after a power loss: everything synced, and possibly some of the rest.

The journal of `faulty_disk.c` says up to which size each file was synced, and which names were
made, changed and removed in a directory since that was synced. After the process was killed `cut`
takes back what no sync covers: the ends of files, and the latest changes of names.
"""

import os
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.support.stores.faulty_disk import FaultyDisk


class _Named(NamedTuple):
    """A change of a directory: a file was created, removed, or renamed from `old` to `path`."""

    kind: str
    inode: int
    path: Path
    old: Path | None = None
    replaced: int = 0


class _Journal:
    def __init__(self, lines: list[str]) -> None:
        self.synced: dict[int, int] = {}
        #: By directory, in their order: what its next sync would have made durable.
        self.unsynced: dict[Path, list[_Named]] = defaultdict(list)
        for line in lines:
            self._read(*line.split("\t"))

    def _read(self, kind: str, *words: str) -> None:
        if kind == "S":
            self.synced[int(words[0])] = int(words[1])
        elif kind == "D":
            self.unsynced.pop(Path(words[0]), None)
        elif kind == "R":
            moved, replaced, old, new = words
            change = _Named(kind, int(moved), Path(new), Path(old), int(replaced))
            self.unsynced[change.path.parent].append(change)
        else:
            change = _Named(kind, int(words[0]), Path(words[1]))
            if kind == "C":
                self.synced[change.inode] = 0
            self.unsynced[change.path.parent].append(change)


def cut(disk: FaultyDisk, rng: Random) -> int:
    """Keeps durable data, and randomly some more; returns the numbers of lost bytes and names.

    The process must be gone. Another one may be started on the same `disk` afterwards.
    """
    journal = _Journal(disk.journal.read_text(encoding="utf-8").splitlines())
    lost = 0
    for changes in journal.unsynced.values():
        # File systems keep the order of such changes; those of the end are lost.
        survive = rng.choice([0, rng.randint(0, len(changes))])
        for change in reversed(changes[survive:]):
            _take_back(change, disk.kept)
            lost += 1
    for path in [one for one in disk.root.rglob("*") if one.is_file()]:
        if path.name.startswith("LOG") or path.name == "LOCK":
            continue
        found = path.stat()
        synced = min(journal.synced.get(found.st_ino, 0), found.st_size)
        left = rng.choice([synced, rng.randint(synced, found.st_size)])
        os.truncate(path, left)
        lost += found.st_size - left
    _begin_again(disk)
    return lost


def _take_back(change: _Named, kept: Path) -> None:
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


def _begin_again(disk: FaultyDisk) -> None:
    """Marks everything present now as durable."""
    lines = [
        f"S\t{one.stat().st_ino}\t{one.stat().st_size}\n"
        for one in disk.root.rglob("*")
        if one.is_file()
    ]
    disk.journal.write_text("".join(lines), encoding="utf-8")
    for one in disk.kept.iterdir():
        one.unlink()
