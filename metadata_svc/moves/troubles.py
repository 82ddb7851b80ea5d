"""Sentences for operators on stuck and waiting moves. Reads only."""

from common.cluster.view import ClusterView
from metadata_svc.moves.plan import MoveConstraints, PlannedMove
from metadata_svc.moves.scheduler import MoveScheduler


def troubles(scheduler: MoveScheduler) -> list[str]:
    """Returns a sentence per reason; none if moves only wait for other moves to finish."""
    found = [f"Moves are stopped: {scheduler.trouble}"] if scheduler.trouble else []
    found += [
        f"{name} rejects appends: no partition moves to it or is created on it."
        for name in sorted(scheduler.reports.unwritable)
    ]
    return [*found, *_without_room(scheduler)]


def unsized_moves(view: ClusterView, scheduler: MoveScheduler) -> int:
    """Returns the number of recorded or planned moves of partitions with no reported size."""
    reports = scheduler.reports
    keys = [planned.key for planned in scheduler.plan]
    keys += [
        (move.topic_id, move.partition)
        for move in view.moves
        if not reports.describe(move).total_bytes
    ]
    return sum(not reports.is_sized(key) for key in keys)


def _without_room(scheduler: MoveScheduler) -> list[str]:
    constraints = scheduler.constraints()
    waiting: dict[str, list[PlannedMove]] = {}
    for planned in scheduler.plan:
        if not constraints.fits(planned):
            waiting.setdefault(planned.target, []).append(planned)
    return [_sentence(target, moves, constraints) for target, moves in sorted(waiting.items())]


def _sentence(target: str, moves: list[PlannedMove], constraints: MoveConstraints) -> str:
    smallest = min(constraints.size_of(planned.key) for planned in moves)
    partitions = "partition does" if len(moves) == 1 else "partitions do"
    return (
        f"{len(moves)} {partitions} not fit on {target}: the smallest has {smallest} bytes,"
        f" and {target} has room for {max(0, constraints.room[target])}."
    )
