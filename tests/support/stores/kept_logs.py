"""Logs on the disk of a partition service, read from outside while it runs.

A copy of the volume is opened, which sees everything that was written before.
"""

from pathlib import Path

from partition_svc.store.keys import LOG_KEY_BYTES, log_id
from tests.support.stores.volumes import opened_copy
from tests.support.waiting import eventually

#: Kinds of rows that begin with a letter and a log: head, segments, times, producers, epochs,
#: and the mark of a copy that is not yet whole.
_KINDS = b"HSTPEIK"


def kept_logs(data_dir: Path) -> dict[tuple[bytes, int], str]:
    """Kinds of the rows that are left of each log, by topic id and partition."""
    return eventually(lambda: [_read(data_dir)], what=f"a look into {data_dir}")[0]


def _read(data_dir: Path) -> dict[tuple[bytes, int], str]:
    found: dict[tuple[bytes, int], set[int]] = {}
    with opened_copy(data_dir) as database:
        for key in database.database.state.keys():  # noqa: SIM118 - Rdict iterates by keys() only
            if key[0] in _KINDS and len(key) > LOG_KEY_BYTES:
                found.setdefault(log_id(key[1 : 1 + LOG_KEY_BYTES]), set()).add(key[0])
    return {log: "".join(sorted(map(chr, kinds))) for log, kinds in found.items()}
