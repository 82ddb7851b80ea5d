"""Logs that compaction could not work on, or not on all of: for the log file and for operators."""

import logging
import time
from collections.abc import Callable, Collection
from typing import Final

from common.ports.partitions import LogId

log = logging.getLogger(__name__)

#: A log that stays uncleanable is looked at in every round; this often it is worth a line.
_REPEAT_S: Final = 600.0


class UncleanableLogs:
    """Why, by log. A reason is in force until a pass over the log is through without one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reasons: dict[LogId, str] = {}
        self._logged_at_s: dict[LogId, float] = {}

    def reason(self, log_id: LogId) -> str:
        """Empty where the log can be compacted, as far as is known."""
        return self._reasons.get(log_id, "")

    def note(self, log_id: LogId, reason: str, error: Exception | None = None) -> None:
        """Logs it, with the traceback of a bug, unless it did so a short while ago."""
        now_s = self._clock()
        is_due = now_s - self._logged_at_s.get(log_id, -_REPEAT_S) >= _REPEAT_S
        if is_due or self._reasons.get(log_id) != reason:
            self._logged_at_s[log_id] = now_s
            topic_id, partition = log_id
            log.warning(
                "cannot compact partition %d of topic %s: %s",
                partition, topic_id.hex(), reason, exc_info=error,
            )  # fmt: skip
        self._reasons[log_id] = reason

    def clear(self, log_id: LogId) -> None:
        """A pass over the log was through."""
        self._reasons.pop(log_id, None)
        self._logged_at_s.pop(log_id, None)

    def keep(self, log_ids: Collection[LogId]) -> None:
        """Forgets all logs but these: they are gone, or not compacted any more."""
        for gone in self._reasons.keys() - set(log_ids):
            self.clear(gone)
