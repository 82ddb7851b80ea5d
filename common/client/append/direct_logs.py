"""Logs whose appends are sent as they come, and the placement for which that holds."""

from collections.abc import Callable

from common.ports.metadata import Placement
from common.ports.partitions import LogId


class DirectLogs:
    """A log is in one of the two dictionaries, or in none.

    Appends of logs in `free` are sent without a further look. Those of logs in `guarded` need the
    consent of `ProducerGaps` first.
    """

    def __init__(self) -> None:
        self.free: dict[LogId, Placement] = {}
        self.guarded: dict[LogId, Placement] = {}

    def __contains__(self, log_id: LogId) -> bool:
        return log_id in self.free or log_id in self.guarded

    def add(self, log_id: LogId, placement: Placement, *, has_gaps: bool) -> None:
        """Adds a log that is in neither, or moves it to the other."""
        self.remove(log_id)
        (self.guarded if has_gaps else self.free)[log_id] = placement

    def remove(self, log_id: LogId) -> Placement | None:
        """Returns the placement under which its appends were sent, if they were."""
        return self.free.pop(log_id, None) or self.guarded.pop(log_id, None)

    def remove_owned_by(self, name: str) -> None:
        for placements in (self.free, self.guarded):
            for log_id in [log_id for log_id, known in placements.items() if known.owner == name]:
                del placements[log_id]

    def remove_all(self, is_gone: Callable[[LogId], bool]) -> None:
        for placements in (self.free, self.guarded):
            for log_id in filter(is_gone, [*placements]):
                del placements[log_id]
