"""Logs on the disk of a partition service, read from outside while it runs.

A read-only RocksDB takes no lock and sees everything that was written before it was opened.
"""

from pathlib import Path

from partition_svc.store.database import Database
from partition_svc.store.failures import StorageFailed
from partition_svc.store.keys import LOG_KEY_BYTES, log_id
from tests.support.waiting import eventually

#: First letters of rows of a log: head, segments, times, producers, epochs, and the mark of an
#: incomplete copy.
_KINDS = b"HSTPEIK"


def kept_logs(data_dir: Path) -> dict[tuple[bytes, int], str]:
    """Returns the kinds of rows of each log, by topic id and partition."""
    return eventually(lambda: [_read(data_dir)], what=f"rows in {data_dir}")[0]


def _read(data_dir: Path) -> dict[tuple[bytes, int], str]:
    try:
        database = Database(data_dir, is_writable=False)
    except StorageFailed as error:
        # RocksDB may remove files while a reader without lock opens them.
        raise OSError(str(error)) from error
    try:
        kinds_by_log: dict[tuple[bytes, int], set[int]] = {}
        for key in database.state.keys():  # noqa: SIM118 - Rdict iterates by keys() only
            if key[0] in _KINDS and len(key) > LOG_KEY_BYTES:
                kinds_by_log.setdefault(log_id(key[1 : 1 + LOG_KEY_BYTES]), set()).add(key[0])
    finally:
        database.close()
    return {log: "".join(sorted(map(chr, kinds))) for log, kinds in kinds_by_log.items()}
