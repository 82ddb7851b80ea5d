"""Says at a start how the process before it ended, and what an unclean end has cost.

RocksDB recovers its write-ahead log up to the first record that it cannot read, and drops the rest
without an error. Here the files of that log are kept (as hard links) while it is opened. Where it
was not read to its end they stay, and the log tells how much that is.
"""

import logging
import os
import shutil
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from crc32c import crc32c

from common.disk.synced_mark import SyncedMark

log = logging.getLogger(__name__)

_LINKS: Final = "opening"
_KEPT: Final = "damaged-"
_KEPT_MAX: Final = 3
#: What RocksDB writes to its own log about records that it drops.
_DROPPING: Final = "dropping"

_BLOCK_BYTES: Final = 32 << 10
#: Masked checksum, length and type of a part of a record.
_PART: Final = struct.Struct("<IHB")
_RECYCLABLE: Final = (5, 6, 7, 8)
_LOG_NUMBER_BYTES: Final = 4
_MASK_DELTA: Final = 0xA282EAD8
_U32: Final = 0xFFFFFFFF


class WalDamage(NamedTuple):
    """Bytes of a write-ahead log: readable records, and data after the last of them."""

    readable_bytes: int
    lost_bytes: int


class LastShutdown:
    """Make it before a database is opened; tell it afterwards, with `report` or `forget`."""

    def __init__(self, directory: Path, *, shown: Path, mark: SyncedMark) -> None:
        """`shown` is the path that users know."""
        self._directory = directory
        self._shown = shown
        self._mark = mark.read()
        self._links = directory / _LINKS
        self.forget()
        self._logs = sorted(directory.glob("*.log"))
        self._logged_bytes = sum(one.stat().st_size for one in self._logs)
        # A file system without hard links keeps nothing.
        with suppress(OSError):
            self._links.mkdir()
            for one in self._logs:
                os.link(one, self._links / one.name)

    def report(self, sequence: int) -> None:
        """`sequence` is that of the last write that the opened database has."""
        synced = 0 if self._mark is None else self._mark.sequence
        if sequence < synced:
            log.critical(
                "%s: at least %d synced changes are LOST: the write-ahead log is damaged and was "
                "recovered up to write %d, writes up to %d had been synced; %s",
                *(self._shown, synced - sequence, sequence, synced, self._kept(sequence)),
            )
        elif _is_dropped(self._directory / "LOG"):
            log.warning(
                "%s: the last process did not close it, and the end of the write-ahead log cannot "
                "be read: recovered up to write %d; writes up to %d or later had been synced; %s",
                *(self._shown, sequence, synced, self._kept(sequence)),
            )
        elif self._mark is not None and self._mark.was_closed:
            log.info("%s: the last process closed it", self._shown)
        elif self._logs:
            log.warning(
                "%s: the last process did not close it: recovered up to write %d, from %d bytes of "
                "the write-ahead log; writes up to %d or later had been synced",
                *(self._shown, sequence, self._logged_bytes, synced),
            )
        self.forget()

    def forget(self) -> None:
        """Removes what is kept."""
        shutil.rmtree(self._links, ignore_errors=True)

    def _kept(self, sequence: int) -> str:
        """Keeps the damaged files permanently; returns what they hold, for a log line."""
        kept = self._directory / f"{_KEPT}{sequence}"
        with suppress(OSError):
            self._links.rename(kept)
        by_age = sorted(self._directory.glob(f"{_KEPT}*"), key=lambda one: one.stat().st_mtime)
        for one in by_age[:-_KEPT_MAX]:
            shutil.rmtree(one, ignore_errors=True)
        damage = damage_of(sorted(kept.glob("*.log")))
        return (
            f"{damage.readable_bytes} bytes of it can be read, {damage.lost_bytes} bytes of data "
            f"behind them cannot; its files are kept in {self._shown / kept.name}"
        )


def damage_of(logs: Iterable[Path]) -> WalDamage:
    """Walks write-ahead logs, in their order, up to the first record that cannot be read.

    Format: RocksDB's log_format.h, in blocks of 32 KiB.
    """
    readable = lost = 0
    is_broken = False
    for path in logs:
        data = path.read_bytes()
        # RocksDB allocates more than it writes.
        data_end = len(data.rstrip(b"\0"))
        end = 0 if is_broken else _readable(data, data_end)
        readable += end
        lost += max(0, data_end - end)
        is_broken = is_broken or end < data_end
    return WalDamage(readable, lost)


def _readable(data: bytes, data_end: int) -> int:
    """Where the first part of a record begins that is not as it was written."""
    at = 0
    while at < data_end:
        left = _BLOCK_BYTES - at % _BLOCK_BYTES
        if left < _PART.size:
            at += left
            continue
        if at + _PART.size > len(data):
            return at
        checksum, length, kind = _PART.unpack_from(data, at)
        checked = at + _PART.size - 1
        end = at + _PART.size + length + (_LOG_NUMBER_BYTES if kind in _RECYCLABLE else 0)
        if end > len(data) or _masked(crc32c(data[checked:end])) != checksum:
            return at
        at = end
    return at


def _masked(checksum: int) -> int:
    return (((checksum >> 15) | (checksum << 17)) + _MASK_DELTA) & _U32


def _is_dropped(info_log: Path) -> bool:
    """Whether RocksDB says that it dropped records. It begins a new file with each opening."""
    with suppress(OSError):
        text = info_log.read_text(encoding="utf-8", errors="replace")
        return any(_DROPPING in line and ".log" in line for line in text.splitlines())
    return False
