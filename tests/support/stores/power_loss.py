"""Files after a power loss: everything synced, and possibly some of the rest.

The journal of `faulty_disk.c` says up to which size each file was synced, what was written in
place since then, and which names were made, changed and removed in a directory since that was
synced. After the process was killed `cut` takes back what no sync covers: the ends of files, pages
that were written in place, and the latest changes of names.
"""

import os
import shutil
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.support.stores.faulty_disk import FaultyDisk
from tests.support.stores.lost_pages import UnsyncedWrites, WriteInPlace, take_back_writes


class _Named(NamedTuple):
    """A change of a directory: a file was created, removed, or renamed from `old` to `path`.

    Or a directory was made.
    """

    kind: str
    inode: int
    path: Path
    old: Path | None = None
    replaced: int = 0


class _Journal:
    def __init__(self, text: str) -> None:
        self.synced: dict[int, int] = {}
        #: By directory, in their order: what its next sync would have made durable.
        self.unsynced: dict[Path, list[_Named]] = defaultdict(list)
        #: By inode.
        self._writes: dict[int, UnsyncedWrites] = defaultdict(UnsyncedWrites)
        position = 0
        for line in text.splitlines(keepends=True):
            self._read(position, *line.rstrip("\n").split("\t"))
            position += len(line)

    def writes(self, inode: int) -> list[WriteInPlace]:
        """Writes in place to a file that no sync covers."""
        return self._writes[inode].all()

    def _read(self, position: int, kind: str, *words: str) -> None:
        match kind, *words:
            case "S", inode, size, end:
                self.synced[int(inode)] = int(size)
                self._writes[int(inode)].on_sync(int(end))
            case "F", inode:
                self._writes[int(inode)].on_failed_sync()
            case "W", inode, start, size, old:
                write = WriteInPlace(int(start), int(size), bytes.fromhex(old))
                self._writes[int(inode)].add(position, write)
            case "D", directory:
                self.unsynced.pop(Path(directory), None)
            case "R", moved, replaced, old, new:
                change = _Named(kind, int(moved), Path(new), Path(old), int(replaced))
                self.unsynced[change.path.parent].append(change)
            case "C" | "M" | "U", inode, path:
                self._on_named(_Named(kind, int(inode), Path(path)))
            case _:
                raise AssertionError((kind, words))

    def _on_named(self, change: _Named) -> None:
        if change.kind == "C":
            self.synced[change.inode] = 0
            self._writes.pop(change.inode, None)
        self.unsynced[change.path.parent].append(change)


def cut(disk: FaultyDisk, rng: Random) -> int:
    """Keeps durable data, and randomly some more; returns the numbers of lost bytes and names.

    The process must be gone. Another one may be started on the same `disk` afterwards.
    """
    journal = _Journal(disk.journal.read_text(encoding="utf-8"))
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
        lost += take_back_writes(path, journal.writes(found.st_ino), rng)
    begin_again(disk)
    return lost


def _take_back(change: _Named, kept: Path) -> None:
    if change.kind == "U":
        if not change.path.exists() and change.path.parent.is_dir():
            os.link(kept / str(change.inode), change.path)
    elif change.path.exists() and change.path.stat().st_ino == change.inode:
        if change.kind == "C":
            change.path.unlink()
            return
        if change.kind == "M":
            shutil.rmtree(change.path)
            return
        assert change.old is not None
        change.path.rename(change.old)
        if change.replaced:
            os.link(kept / str(change.replaced), change.path)


def begin_again(disk: FaultyDisk) -> None:
    """Marks everything that is there now as durable."""
    lines = [
        f"S\t{one.stat().st_ino}\t{one.stat().st_size}\t0\n"
        for one in disk.root.rglob("*")
        if one.is_file()
    ]
    disk.journal.write_text("".join(lines), encoding="utf-8")
    for one in disk.kept.iterdir():
        one.unlink()
