"""The ring and its moves as text for people. Pure: descriptions in, lines out."""

from collections.abc import Iterable, Sequence
from typing import Final

from common.ports.moves import (
    LostPartitions,
    MoveDescription,
    MovePhase,
    RingDescription,
    RingMember,
)
from ringlog.cli.output import text_table

_UNITS: Final = ("B", "KB", "MB", "GB", "TB")
_KILO: Final = 1000

_MEMBER_HEAD: Final = (
    "MEMBER", "STATE", "ALIVE", "PARTITIONS", "PLANNED", "SIZE", "ROOM", "ADDRESS"
)  # fmt: skip
_LOST_HEAD: Final = ("TOPIC", "SIZE", "PARTITIONS")
_MOVE_HEAD: Final = ("MOVE", "PARTITION", "FROM", "TO", "PHASE", "COPIED", "OF", "RATE", "ETA")


def status_text(ring: RingDescription) -> str:
    """All members, what is on its way between them, and what holds it up."""
    rows = [_member_row(one) for one in ring.members]
    return f"{text_table(_MEMBER_HEAD, rows)}{progress_line(ring)}\n{_trouble_lines(ring)}"


def moves_text(ring: RingDescription) -> str:
    """Every recorded move, how many wait for their turn, and what holds them up."""
    table = text_table(_MOVE_HEAD, map(_move_row, ring.moves)) if ring.moves else ""
    return f"{table}{progress_line(ring)}\n{_trouble_lines(ring)}"


def lost_text(lost: Sequence[LostPartitions]) -> str:
    """What goes with a member: one line for each topic."""
    return text_table(_LOST_HEAD, map(_lost_row, lost))


def progress_line(ring: RingDescription) -> str:
    """One line: moves under way and waiting, bytes that are left, and how long that may take."""
    if not ring.moves and not ring.waiting_moves:
        return "a plan is being made" if ring.is_rebalancing else "nothing is moving"
    at_least = "at least " if ring.unsized_moves else ""
    words = [
        f"{len(ring.moves)} moving",
        f"{ring.waiting_moves} waiting",
        f"{at_least}{size_text(remaining_bytes(ring))} left",
        f"{size_text(_rate(ring.moves))}/s",
        f"ETA {duration_text(eta_s(ring))}",
    ]
    return ", ".join(words)


def drain_line(member: RingMember, ring: RingDescription) -> str:
    """The same seen from a member that is drained."""
    partitions = "partition" if member.partitions == 1 else "partitions"
    return f"{member.name}: {member.partitions} {partitions} left; {progress_line(ring)}"


def remaining_bytes(ring: RingDescription) -> int:
    """What is still to be copied, of moves under way and of those that wait."""
    return ring.waiting_bytes + sum(map(_remaining, ring.moves))


def eta_s(ring: RingDescription) -> float | None:
    """Seconds at the rate of now; None where nothing flows, or the size of a log is not known."""
    remaining, rate = remaining_bytes(ring), _rate(ring.moves)
    if ring.unsized_moves:
        return None
    if not remaining:
        return 0.0
    return remaining / rate if rate else None


def size_text(count: int) -> str:
    """For instance 512 B, 1.5 MB."""
    size, unit = float(count), 0
    while size >= _KILO and unit < len(_UNITS) - 1:
        size, unit = size / _KILO, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{count} B"


def duration_text(seconds: float | None) -> str:
    """For instance 7s, 3m20s, 2h05m; "unknown" for None."""
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def _trouble_lines(ring: RingDescription) -> str:
    moves = [
        f"move {one.move.move_id} of {one.topic}-{one.move.partition}"
        f" does not get on: {one.trouble}"
        for one in ring.moves
        if one.trouble
    ]
    return "".join(f"{line}\n" for line in (*ring.troubles, *moves))


def _member_row(one: RingMember) -> Sequence[str]:
    return (
        one.name,
        one.state.name,
        "yes" if one.is_alive else "no",
        str(one.partitions),
        str(one.planned),
        size_text(one.size_bytes),
        "?" if one.disk is None else size_text(one.disk.room_bytes),
        one.address,
    )


def _move_row(one: MoveDescription) -> Sequence[str]:
    move = one.move
    left, rate = _remaining(one), one.bytes_per_second
    left_s = left / rate if rate else (None if left else 0.0)
    return (
        str(move.move_id),
        f"{one.topic}-{move.partition}",
        move.source,
        move.target,
        move.phase.name,
        size_text(one.copied_bytes),
        size_text(one.total_bytes),
        f"{size_text(rate)}/s",
        duration_text(left_s),
    )


def _lost_row(one: LostPartitions) -> Sequence[str]:
    return one.topic, size_text(one.size_bytes), _runs(one.partitions)


def _runs(partitions: Sequence[int]) -> str:
    """For instance 0-3,7,9-10."""
    runs: list[list[int]] = []
    for one in sorted(partitions):
        if runs and runs[-1][-1] == one - 1:
            runs[-1][1:] = [one]
        else:
            runs.append([one])
    return ",".join("-".join(map(str, run)) for run in runs)


def _remaining(one: MoveDescription) -> int:
    if one.move.phase is MovePhase.COMMIT:
        return 0
    return max(one.total_bytes - one.copied_bytes, 0)


def _rate(moves: Iterable[MoveDescription]) -> int:
    return sum(one.bytes_per_second for one in moves)
