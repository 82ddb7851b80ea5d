"""Logs that compaction could not process, or not all of; reported to operators."""

import logging
import time
from collections.abc import Callable, Collection
from typing import Final

from common.ports.partitions import LogId

log = logging.getLogger(__name__)

#: Interval of repeated warnings about one log, which is tried in every round.
_REPEAT_S: Final = 600.0


class UncleanableLogs:
    """The reason for each log, until a pass over the log completes without one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reasons: dict[LogId, str] = {}
        self._logged_s: dict[LogId, float] = {}

    def reason(self, log_id: LogId) -> str:
        """Returns why a log cannot be compacted; empty if nothing is known against it."""
        return self._reasons.get(log_id, "")

    def note(self, log_id: LogId, reason: str, error: Exception | None = None) -> None:
        """Records a reason and logs it, with the traceback of a bug; at most every 10 minutes."""
        now_s = self._clock()
        is_due = now_s - self._logged_s.get(log_id, -_REPEAT_S) >= _REPEAT_S
        if is_due or self._reasons.get(log_id) != reason:
            self._logged_s[log_id] = now_s
            topic_id, partition = log_id
            log.warning(
                "cannot compact %s-%d: %s",
                topic_id.hex(),
                partition,
                reason,
                exc_info=error,
            )
        self._reasons[log_id] = reason

    def clear(self, log_id: LogId) -> None:
        """Removes the reason after a complete pass over the log."""
        self._reasons.pop(log_id, None)
        self._logged_s.pop(log_id, None)

    def retain(self, log_ids: Collection[LogId]) -> None:
        """Removes all logs but these; others were deleted or are not compacted any more."""
        for gone in self._reasons.keys() - set(log_ids):
            self.clear(gone)
