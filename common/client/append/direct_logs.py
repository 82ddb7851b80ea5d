"""Logs whose appends are sent to their owner at once, and the placement used for them."""

from collections.abc import Callable

from common.ports.metadata import Placement
from common.ports.partitions import LogId


class DirectLogs:
    """A log is in at most one of the two dictionaries.

    Appends of logs in `free` are sent without further checks. Those of logs in `guarded` must be
    admitted by `ProducerGaps` first.
    """

    def __init__(self) -> None:
        self.free: dict[LogId, Placement] = {}
        self.guarded: dict[LogId, Placement] = {}

    def __contains__(self, log_id: LogId) -> bool:
        return log_id in self.free or log_id in self.guarded

    def add(self, log_id: LogId, placement: Placement, *, has_gaps: bool) -> None:
        """Adds a log to `guarded` if it has gaps, else to `free`, and removes it from the other."""
        self.remove(log_id)
        (self.guarded if has_gaps else self.free)[log_id] = placement

    def remove(self, log_id: LogId) -> Placement | None:
        """Removes a log. Returns its placement, or None if it was in neither."""
        return self.free.pop(log_id, None) or self.guarded.pop(log_id, None)

    def remove_owned_by(self, name: str) -> None:
        for placements in (self.free, self.guarded):
            for log_id in [
                log_id for log_id, placement in placements.items() if placement.owner == name
            ]:
                del placements[log_id]

    def remove_all(self, is_unknown: Callable[[LogId], bool]) -> None:
        for placements in (self.free, self.guarded):
            for log_id in filter(is_unknown, [*placements]):
                del placements[log_id]
