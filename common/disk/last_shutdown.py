"""The report on the last shutdown of a database, and on the data that an unclean one has lost.

RocksDB recovers its write-ahead log up to the first record that it cannot read, and drops the rest
without an error. So the files of that log are kept (as hard links) while the database is opened. If
the log was not read to its end, they stay, and a log line reports how much was lost.
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
#: The word for dropped records in RocksDB's own log.
_DROPPING: Final = "dropping"

_BLOCK_BYTES: Final = 32 << 10
#: Masked checksum, length and type of a physical record.
_HEADER: Final = struct.Struct("<IHB")
_RECYCLABLE: Final = (5, 6, 7, 8)
_LOG_NUMBER_BYTES: Final = 4
_MASK_DELTA: Final = 0xA282EAD8
_U32: Final = 0xFFFFFFFF


class WalDamage(NamedTuple):
    """The bytes of readable records of a write-ahead log, and of the data after the last one."""

    readable_bytes: int
    lost_bytes: int


class LastShutdown:
    """Evidence that is collected before a database is opened, for `report` or `discard`."""

    def __init__(self, directory: Path, *, shown: Path, mark: SyncedMark) -> None:
        """`shown` is the path for log lines."""
        self._directory = directory
        self._shown = shown
        self._mark = mark.read()
        self._links = directory / _LINKS
        self.discard()
        self._logs = sorted(directory.glob("*.log"))
        self._logged_bytes = sum(path.stat().st_size for path in self._logs)
        # A file system without hard links keeps nothing.
        with suppress(OSError):
            self._links.mkdir()
            for path in self._logs:
                os.link(path, self._links / path.name)

    def report(self, sequence: int) -> None:
        """Logs the outcome. `sequence` is that of the last write in the opened database."""
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
        self.discard()

    def discard(self) -> None:
        """Removes the hard links."""
        shutil.rmtree(self._links, ignore_errors=True)

    def _kept(self, sequence: int) -> str:
        """Keeps the damaged files permanently; returns a description for a log line."""
        kept = self._directory / f"{_KEPT}{sequence}"
        with suppress(OSError):
            self._links.rename(kept)
        by_age = sorted(self._directory.glob(f"{_KEPT}*"), key=lambda path: path.stat().st_mtime)
        for path in by_age[:-_KEPT_MAX]:
            shutil.rmtree(path, ignore_errors=True)
        damage = damage_of(sorted(kept.glob("*.log")))
        return (
            f"{damage.readable_bytes} bytes of it can be read, {damage.lost_bytes} bytes of data "
            f"behind them cannot; its files are kept in {self._shown / kept.name}"
        )


def damage_of(logs: Iterable[Path]) -> WalDamage:
    """Reads write-ahead logs, in their order, up to the first record that is damaged.

    Format: RocksDB's log_format.h, in blocks of 32 KiB.
    """
    readable = lost = 0
    is_broken = False
    for path in logs:
        data = path.read_bytes()
        # RocksDB allocates more bytes than it writes.
        data_end = len(data.rstrip(b"\0"))
        end = 0 if is_broken else _readable(data, data_end)
        readable += end
        lost += max(0, data_end - end)
        is_broken = is_broken or end < data_end
    return WalDamage(readable, lost)


def _readable(data: bytes, data_end: int) -> int:
    """Returns the position of the first physical record that is damaged, or the end."""
    position = 0
    while position < data_end:
        left = _BLOCK_BYTES - position % _BLOCK_BYTES
        if left < _HEADER.size:
            position += left
            continue
        if position + _HEADER.size > len(data):
            return position
        checksum, length, kind = _HEADER.unpack_from(data, position)
        checked = position + _HEADER.size - 1
        end = position + _HEADER.size + length + (_LOG_NUMBER_BYTES if kind in _RECYCLABLE else 0)
        if end > len(data) or _masked(crc32c(data[checked:end])) != checksum:
            return position
        position = end
    return position


def _masked(checksum: int) -> int:
    return (((checksum >> 15) | (checksum << 17)) + _MASK_DELTA) & _U32


def _is_dropped(info_log: Path) -> bool:
    """True if RocksDB's own log, which is new at each opening, reports dropped records."""
    with suppress(OSError):
        text = info_log.read_text(encoding="utf-8", errors="replace")
        return any(_DROPPING in line and ".log" in line for line in text.splitlines())
    return False
