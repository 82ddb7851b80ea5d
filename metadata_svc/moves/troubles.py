"""Why moves stand still or wait, in sentences for operators. Reads only."""

from common.cluster.view import ClusterView
from metadata_svc.moves.plan import PlannedMove, Situation
from metadata_svc.moves.scheduler import MoveScheduler


def troubles(scheduler: MoveScheduler) -> list[str]:
    """One sentence for each reason; none where moves only wait for their turn."""
    found = [f"Moves are stopped: {scheduler.trouble}"] if scheduler.trouble else []
    found += [
        f"{name} takes no appends: nothing moves to it, and new partitions go elsewhere."
        for name in sorted(scheduler.reports.unwritable)
    ]
    return [*found, *_without_room(scheduler)]


def unsized_moves(view: ClusterView, scheduler: MoveScheduler) -> int:
    """How many moves, recorded or planned, are of partitions whose size nobody has reported."""
    reports = scheduler.reports
    keys = [planned.key for planned in scheduler.plan]
    keys += [
        (move.topic_id, move.partition)
        for move in view.moves
        if not reports.describe(move).total_bytes
    ]
    return sum(not reports.is_sized(key) for key in keys)


def _without_room(scheduler: MoveScheduler) -> list[str]:
    situation = scheduler.situation()
    waiting: dict[str, list[PlannedMove]] = {}
    for planned in scheduler.plan:
        if not situation.fits(planned):
            waiting.setdefault(planned.target, []).append(planned)
    return [_sentence(target, wishes, situation) for target, wishes in sorted(waiting.items())]


def _sentence(target: str, wishes: list[PlannedMove], situation: Situation) -> str:
    smallest = min(situation.size_of(planned.key) for planned in wishes)
    partitions = "partition does" if len(wishes) == 1 else "partitions do"
    return (
        f"{len(wishes)} {partitions} not fit on {target}: the smallest has {smallest} bytes,"
        f" and {target} has room for {max(0, situation.room[target])}."
    )
