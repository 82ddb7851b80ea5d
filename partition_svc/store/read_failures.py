"""Failed reads of the store: exceptions for callers, and log lines that name the log."""

import logging
import time
from collections.abc import Callable
from typing import Final

from partition_svc.store.failures import StorageFailed
from partition_svc.store.keys import KINDS_OF_LOGS, LOG_KEY_BYTES, log_id

log = logging.getLogger(__name__)

#: Interval between log lines of one failure: clients retry, and a damaged block stays.
_REPEAT_S: Final = 600.0
#: Maximum of failures whose last log line is remembered.
_LOGS_MAX: Final = 1_000


def hex_name(topic_id: bytes, partition: int) -> str:
    return f"{topic_id.hex()}-{partition}"


class ReadFailures:
    """Converts errors of reads to `StorageFailed`, and logs each at intervals.

    `name_of` returns the name of a log as topic-partition.
    """

    def __init__(
        self, in_words: Callable[[str], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`in_words` converts the text of an error for users."""
        self.name_of: Callable[[bytes, int], str] = hex_name
        self._in_words = in_words
        self._clock = clock
        self._logged_at_s: dict[tuple[str, str], float] = {}

    def in_batches(self, log_key: bytes, offset: int, error: Exception) -> StorageFailed:
        """Returns the error to raise if batches of a log cannot be read from `offset` on."""
        return self._noted(self._name(log_key), f" from offset {offset}", error)

    def in_row(self, key: bytes, error: Exception) -> StorageFailed:
        """Returns the error to raise if rows of state cannot be read at `key` or after it."""
        is_of_log = key[:1] in KINDS_OF_LOGS and len(key) > LOG_KEY_BYTES
        name = self._name(key[1 : 1 + LOG_KEY_BYTES]) if is_of_log else f"rows of kind {key[:1]!r}"
        return self._noted(name, "", error)

    def _name(self, log_key: bytes) -> str:
        return self.name_of(*log_id(log_key))

    def _noted(self, name: str, where: str, error: Exception) -> StorageFailed:
        text = self._in_words(str(error))
        now_s = self._clock()
        if now_s - self._logged_at_s.get((name, text), -_REPEAT_S) >= _REPEAT_S:
            if len(self._logged_at_s) >= _LOGS_MAX:
                self._logged_at_s.clear()
            self._logged_at_s[name, text] = now_s
            log.error("cannot read %s%s: %s", name, where, text)
        return StorageFailed(f"read: {text}")
