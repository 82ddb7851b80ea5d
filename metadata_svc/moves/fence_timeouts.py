"""Deadlines of fenced moves: a partition takes no appends behind its fence, so this must not last.

Kept in memory only: after a start of this service each fenced move gets a whole timeout again.
"""

from collections import Counter
from collections.abc import Collection
from typing import Final

from common.cluster.view import ClusterView
from common.ports.moves import Move, MovePhase
from metadata_svc.members.members import MemberRegistry
from metadata_svc.moves.plan import PartitionKey

#: Longest delay, in fence timeouts, before a move that timed out in FENCE is planned again.
_BACKOFF_FENCES_MAX: Final = 16


class FenceTimeouts:
    """Times are loop time, in seconds."""

    def __init__(self, view: ClusterView, members: MemberRegistry, timeout_s: float) -> None:
        self._view = view
        self._members = members
        self._timeout_s = timeout_s
        self._deadlines: dict[int, float] = {}
        #: Number of timeouts of each partition since the ring changed.
        self._timeouts: Counter[PartitionKey] = Counter()

    @property
    def next_time(self) -> float | None:
        """The next deadline; None if no move is fenced."""
        return min(self._deadlines.values(), default=None)

    def expired(self, now: float) -> list[Move]:
        """Returns the fenced moves whose deadline has passed, or whose target is dead.

        Not those with a dead source: it could not take appends after a rollback either, and the
        target may have every record.
        """
        fenced = [
            move
            for move in self._view.moves
            if move.phase is MovePhase.FENCE and self._members.may_be_alive(move.source)
        ]
        before, deadline = self._deadlines, now + self._timeout_s
        self._members.pauses.check()
        # No transition was recorded while this process was paused.
        earliest = self._members.pauses.resumed_at + self._timeout_s
        self._deadlines = {
            move.move_id: max(before.get(move.move_id, deadline), earliest) for move in fenced
        }
        return [
            move
            for move in fenced
            if self._deadlines[move.move_id] <= now or not self._members.may_be_alive(move.target)
        ]

    def on_rolled_back(self, move: Move) -> float:
        """Returns how long to wait before the partition is moved again.

        No time where the target is dead: the next move begins only when it is alive.
        """
        del self._deadlines[move.move_id]
        if not self._members.may_be_alive(move.target):
            return 0.0
        key = move.topic_id, move.partition
        count = self._timeouts[key]
        self._timeouts[key] += 1
        return self._timeout_s * min(1 << count, _BACKOFF_FENCES_MAX)

    def forget_topics(self, topic_ids: Collection[bytes]) -> None:
        """Forgets the timeouts of deleted topics."""
        kept = {key: count for key, count in self._timeouts.items() if key[0] not in topic_ids}
        self._timeouts = Counter(kept)

    def reset(self) -> None:
        """Forgets all timeouts: the ring has changed."""
        self._timeouts.clear()
