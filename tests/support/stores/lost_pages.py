"""Writes in place that no sync covers: after a power loss each page is there, lost, or torn.

The kernel writes back pages on its own and in any order, and a disk writes sectors. So a page has
what was in it after some of its writes, and the sectors of a torn page are of different times.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

PAGE_BYTES: Final = 4096
SECTOR_BYTES: Final = 512


class WriteInPlace(NamedTuple):
    """`old`: the bytes before it; empty for zeros."""

    position: int
    size_bytes: int
    old: bytes

    @property
    def end(self) -> int:
        return self.position + self.size_bytes

    @property
    def pages(self) -> range:
        return _units(self, PAGE_BYTES)

    def within(self, page: int) -> "WriteInPlace":
        """The part of it that is in this page."""
        start = max(self.position, page * PAGE_BYTES)
        end = min(self.end, (page + 1) * PAGE_BYTES)
        old = self.old[start - self.position : end - self.position]
        return WriteInPlace(start, end - start, old)


class UnsyncedWrites:
    """Writes in place to one file, as events of the process come in."""

    def __init__(self) -> None:
        #: With their positions among the events.
        self._writes: list[tuple[int, WriteInPlace]] = []
        #: By page: writes that a later sync does not cover, unless the page is written again.
        self._forgotten: dict[int, list[WriteInPlace]] = {}

    def add(self, position: int, write: WriteInPlace) -> None:
        self._writes.append((position, write))

    def on_sync(self, end: int) -> None:
        """A sync began at position `end` of the events."""
        for position, write in self._writes:
            if position < end:
                for page in write.pages:
                    self._forgotten.pop(page, None)
        self._writes = [one for one in self._writes if one[0] >= end]

    def on_failed_sync(self) -> None:
        """The kernel takes the pages for written, as Linux does after an error."""
        for _, write in self._writes:
            for page in write.pages:
                self._forgotten.setdefault(page, []).append(write.within(page))
        self._writes.clear()

    def all(self) -> list[WriteInPlace]:
        forgotten = [write for writes in self._forgotten.values() for write in writes]
        return forgotten + [write for _, write in self._writes]


def take_back_writes(path: Path, writes: Sequence[WriteInPlace], rng: Random) -> int:
    """Takes back a random part of unsynced `writes`, which are in order; returns its bytes."""
    is_all_lost = rng.random() < 0.25
    kept = _kept_writes(writes, rng) if not is_all_lost else {}
    lost = 0
    fd = os.open(path, os.O_RDWR)
    try:
        for number in reversed(range(len(writes))):
            write = writes[number]
            for sector in _units(write, SECTOR_BYTES):
                if kept.get(sector, 0) <= number:
                    lost += _restore(fd, write, sector)
    finally:
        os.close(fd)
    return lost


def _kept_writes(writes: Sequence[WriteInPlace], rng: Random) -> dict[int, int]:
    """How many of the writes each sector has."""
    count = len(writes)
    kept = {}
    for page in sorted({page for write in writes for page in write.pages}):
        kind = rng.choice(["there", "lost", "earlier", "torn"])
        of_page = {"there": count, "lost": 0}.get(kind, rng.randint(0, count))
        first = page * PAGE_BYTES // SECTOR_BYTES
        for sector in range(first, first + PAGE_BYTES // SECTOR_BYTES):
            kept[sector] = rng.choice([of_page, count, 0]) if kind == "torn" else of_page
    return kept


def _units(write: WriteInPlace, unit_bytes: int) -> range:
    return range(write.position // unit_bytes, (write.end - 1) // unit_bytes + 1)


def _restore(fd: int, write: WriteInPlace, sector: int) -> int:
    start = max(write.position, sector * SECTOR_BYTES)
    end = min(write.end, (sector + 1) * SECTOR_BYTES, os.fstat(fd).st_size)
    if start >= end:
        return 0
    old = write.old or bytes(write.size_bytes)
    os.pwrite(fd, old[start - write.position : end - write.position], start)
    return end - start
