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
    for page in sorted({page for write in writes for page in _units(write, PAGE_BYTES)}):
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
