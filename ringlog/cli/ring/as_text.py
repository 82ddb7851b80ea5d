"""The ring and its moves as text for people. Pure."""

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
    """Renders all members, the progress of moves, and their problems."""
    rows = [_member_row(member) for member in ring.members]
    return f"{text_table(_MEMBER_HEAD, rows)}{progress_line(ring)}\n{_trouble_lines(ring)}"


def moves_text(ring: RingDescription) -> str:
    """Renders every move, the overall progress, and the problems of moves."""
    table = text_table(_MOVE_HEAD, map(_move_row, ring.moves)) if ring.moves else ""
    return f"{table}{progress_line(ring)}\n{_trouble_lines(ring)}"


def lost_text(lost: Sequence[LostPartitions]) -> str:
    """Renders the partitions that are lost with a member: a line for each topic."""
    return text_table(_LOST_HEAD, map(_lost_row, lost))


def progress_line(ring: RingDescription) -> str:
    """Renders a line: moves in progress and waiting, bytes left, and the estimated time."""
    if not ring.moves and not ring.waiting_moves:
        return "moves are being planned" if ring.is_rebalancing else "nothing is moving"
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
    """Renders the progress of a drain, in a line."""
    partitions = "partition" if member.partitions == 1 else "partitions"
    return f"{member.name}: {member.partitions} {partitions} left; {progress_line(ring)}"


def remaining_bytes(ring: RingDescription) -> int:
    """Returns the bytes that are not copied yet, of moves in progress and waiting."""
    return ring.waiting_bytes + sum(map(_remaining, ring.moves))


def eta_s(ring: RingDescription) -> float | None:
    """Returns seconds at the current rate; None if it is 0, or the size of a log is unknown."""
    remaining, rate = remaining_bytes(ring), _rate(ring.moves)
    if ring.unsized_moves:
        return None
    if not remaining:
        return 0.0
    return remaining / rate if rate else None


def size_text(count: int) -> str:
    """Renders, for instance, 512 B or 1.5 MB."""
    size, unit = float(count), 0
    while size >= _KILO and unit < len(_UNITS) - 1:
        size, unit = size / _KILO, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{count} B"


def duration_text(seconds: float | None) -> str:
    """Renders, for instance, 7s, 3m20s or 2h05m; "unknown" for None."""
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
        f"move {described.move.move_id} of {described.topic}-{described.move.partition}"
        f" is stuck: {described.trouble}"
        for described in ring.moves
        if described.trouble
    ]
    return "".join(f"{line}\n" for line in (*ring.troubles, *moves))


def _member_row(member: RingMember) -> Sequence[str]:
    return (
        member.name,
        member.state.name,
        "yes" if member.is_alive else "no",
        str(member.partitions),
        str(member.planned),
        size_text(member.size_bytes),
        "?" if member.disk is None else size_text(member.disk.room_bytes),
        member.address,
    )


def _move_row(described: MoveDescription) -> Sequence[str]:
    move = described.move
    left, rate = _remaining(described), described.bytes_per_second
    left_s = left / rate if rate else (None if left else 0.0)
    return (
        str(move.move_id),
        f"{described.topic}-{move.partition}",
        move.source,
        move.target,
        move.phase.name,
        size_text(described.copied_bytes),
        size_text(described.total_bytes),
        f"{size_text(rate)}/s",
        duration_text(left_s),
    )


def _lost_row(lost: LostPartitions) -> Sequence[str]:
    return lost.topic, size_text(lost.size_bytes), _ranges(lost.partitions)


def _ranges(partitions: Sequence[int]) -> str:
    """Renders, for instance, 0-3,7,9-10."""
    ranges: list[list[int]] = []
    for partition in sorted(partitions):
        if ranges and ranges[-1][-1] == partition - 1:
            ranges[-1][1:] = [partition]
        else:
            ranges.append([partition])
    return ",".join("-".join(map(str, bounds)) for bounds in ranges)


def _remaining(described: MoveDescription) -> int:
    if described.move.phase is MovePhase.COMMIT:
        return 0
    return max(described.total_bytes - described.copied_bytes, 0)


def _rate(moves: Iterable[MoveDescription]) -> int:
    return sum(described.bytes_per_second for described in moves)
