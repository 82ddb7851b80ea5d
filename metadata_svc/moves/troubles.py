"""Why moves stand still or wait, in sentences for operators. Reads only."""

from common.cluster.view import ClusterView
from metadata_svc.moves.plan import Situation, Wish
from metadata_svc.moves.scheduler import Mover


def troubles(mover: Mover) -> list[str]:
    """One sentence for each reason; none where moves only wait for their turn."""
    found = [f"Moves are stopped: {mover.trouble}"] if mover.trouble else []
    found += [
        f"{name} takes no appends: nothing moves to it, and new partitions go elsewhere."
        for name in sorted(mover.reports.unwritable)
    ]
    return [*found, *_without_room(mover)]


def unsized_moves(view: ClusterView, mover: Mover) -> int:
    """How many moves, recorded or planned, are of partitions whose size nobody has reported."""
    reports = mover.reports
    keys = [wish.key for wish in mover.plan]
    keys += [
        (move.topic_id, move.partition)
        for move in view.moves
        if not reports.describe(move).total_bytes
    ]
    return sum(not reports.is_sized(key) for key in keys)


def _without_room(mover: Mover) -> list[str]:
    situation = mover.situation()
    waiting: dict[str, list[Wish]] = {}
    for wish in mover.plan:
        if not situation.fits(wish):
            waiting.setdefault(wish.target, []).append(wish)
    return [_sentence(target, wishes, situation) for target, wishes in sorted(waiting.items())]


def _sentence(target: str, wishes: list[Wish], situation: Situation) -> str:
    smallest = min(situation.size_of(wish.key) for wish in wishes)
    partitions = "partition does" if len(wishes) == 1 else "partitions do"
    return (
        f"{len(wishes)} {partitions} not fit on {target}: the smallest has {smallest} bytes,"
        f" and {target} has room for {max(0, situation.room[target])}."
    )
