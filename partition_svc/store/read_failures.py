"""Reads of the store that failed: which log they are of, for the log file and for callers."""

import logging
import time
from collections.abc import Callable
from typing import Final

from partition_svc.store.failures import StorageFailed
from partition_svc.store.keys import KINDS_OF_LOGS, LOG_KEY_BYTES, log_id

log = logging.getLogger(__name__)

#: Clients ask again and again; a failure that stays is worth a line this often.
_REPEAT_S: Final = 600.0
#: More logs than these are not told apart.
_LOGS_MAX: Final = 1_000


def hex_name(topic_id: bytes, partition: int) -> str:
    return f"{topic_id.hex()}-{partition}"


class ReadFailures:
    """Makes errors of them, and logs each log's once in a while.

    `name_of` gives the name of a log, as topic-partition.
    """

    def __init__(
        self, in_words: Callable[[str], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`in_words` makes the text of an error one for users."""
        self.name_of: Callable[[bytes, int], str] = hex_name
        self._in_words = in_words
        self._clock = clock
        self._told_s: dict[tuple[str, str], float] = {}

    def in_batches(self, log_key: bytes, offset: int, error: Exception) -> StorageFailed:
        """The error to raise where batches of a log cannot be read from `offset` on."""
        return self._noted(self._name(log_key), f" from offset {offset}", error)

    def in_row(self, key: bytes, error: Exception) -> StorageFailed:
        """The error to raise where rows of state cannot be read at `key` or after it."""
        is_of_log = key[:1] in KINDS_OF_LOGS and len(key) > LOG_KEY_BYTES
        name = self._name(key[1 : 1 + LOG_KEY_BYTES]) if is_of_log else f"rows of kind {key[:1]!r}"
        return self._noted(name, "", error)

    def _name(self, log_key: bytes) -> str:
        return self.name_of(*log_id(log_key))

    def _noted(self, name: str, where: str, error: Exception) -> StorageFailed:
        text = self._in_words(str(error))
        now_s = self._clock()
        if now_s - self._told_s.get((name, text), -_REPEAT_S) >= _REPEAT_S:
            if len(self._told_s) >= _LOGS_MAX:
                self._told_s.clear()
            self._told_s[name, text] = now_s
            log.error("cannot read %s%s: %s", name, where, text)
        return StorageFailed(f"read: {text}")
