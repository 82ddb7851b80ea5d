"""The port to the ring of partition services and to the moves of partitions between them.

Implemented by `metadata_svc` and by its gRPC client. A move transfers one partition log from one
member to another. The metadata service records each phase; the two members carry it out.

    PREPARE   recorded; the target copies most of the log while the source serves
    CATCH_UP  the target copies the records appended since, until few are left
    FENCE     the source rejects appends and hands over the last records and the state
    COMMIT    owner and leader epoch were changed in one write; the source deletes its copy
    (gone)    the source has deleted its copy

The record of a move that is rolled back is deleted too. After a rollback in FENCE the partition
stays with its source under a higher leader epoch, which lifts the fence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol


class MovePhase(IntEnum):
    """Phases of a move; names and numbers of metadata.v1.MovePhase."""

    PREPARE = 1
    CATCH_UP = 2
    FENCE = 3
    COMMIT = 4


@dataclass(frozen=True, slots=True)
class Move:
    """The move of one partition from member `source` to member `target`.

    `leader_epoch` is the partition's epoch when the move started; COMMIT raises the partition's.
    """

    move_id: int
    topic_id: bytes  # 16 bytes
    partition: int
    source: str
    target: str
    leader_epoch: int
    phase: MovePhase


class MemberProcess(NamedTuple):
    """One process of a member, as named in calls that change a move."""

    name: str
    opening_id: str


class MoveProgress(NamedTuple):
    """Bytes of a log copied by the target so far; `trouble` is the reason if the move is stuck."""

    move_id: int
    copied_bytes: int
    total_bytes: int
    trouble: str = ""


class DiskState(NamedTuple):
    """Disk space of a member for copies of logs; `is_writable` is false if it rejects appends."""

    room_bytes: int
    is_writable: bool = True


class LogLoad(NamedTuple):
    """The size and the current append rate of one log."""

    topic_id: bytes
    partition: int
    size_bytes: int
    bytes_per_second: int


@dataclass(frozen=True, slots=True)
class MemberReport:
    """A periodic report of a member. Kept in memory only, for progress and planning.

    `loads` are the logs that changed since the last report, `progress` the moves to this member.
    `disk` is None if it has not changed.
    """

    loads: Sequence[LogLoad] = ()
    progress: Sequence[MoveProgress] = ()
    disk: DiskState | None = None


class RingState(IntEnum):
    """Ring states of a member; names and numbers of metadata.v1.RingState."""

    #: Registered but never added to the ring: it owns no partitions and gets none.
    OUTSIDE = 1
    #: Partitions are placed on it.
    JOINED = 2
    #: Its partitions move to other members; it gets no new ones.
    DRAINING = 3
    #: It owns no partitions and can be removed.
    DRAINED = 4


@dataclass(frozen=True, slots=True)
class RingMember:
    """One member as described to operators.

    It owns `partitions` partitions now and `planned` after all moves. `disk` is None before its
    first report.
    """

    name: str
    address: str
    state: RingState
    is_alive: bool
    partitions: int
    planned: int
    size_bytes: int
    disk: DiskState | None = None


@dataclass(frozen=True, slots=True)
class MoveDescription:
    """A recorded move and its progress. The rate is that of the last seconds.

    `trouble` is the reason if the move is stuck, else "".
    """

    move: Move
    topic: str
    copied_bytes: int = 0
    total_bytes: int = 0
    bytes_per_second: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class RingDescription:
    """The ring: members by name, recorded moves, and counts of waiting moves.

    `is_rebalancing` is true from a change of the ring until all moves that follow from it are done,
    also while they are not planned yet. `unsized_moves` counts recorded and waiting moves of logs
    with no reported size. `troubles` are sentences on the reasons why moves are stuck or wait.
    """

    revision: int
    members: Sequence[RingMember] = ()
    moves: Sequence[MoveDescription] = ()
    waiting_moves: int = 0
    waiting_bytes: int = 0
    is_rebalancing: bool = False
    unsized_moves: int = 0
    troubles: Sequence[str] = ()


class RingRefusal(IntEnum):
    """Reasons not to change the ring; names and numbers of metadata.v1.RingRefusal."""

    UNKNOWN_MEMBER = 1
    #: No member would be left to own the partitions.
    LAST_MEMBER = 2
    #: The member still owns partitions.
    NOT_EMPTY = 3
    #: The member is still alive.
    ALIVE = 4
    STORAGE_ERROR = 5
    UNKNOWN_MOVE = 6


@dataclass(frozen=True, slots=True)
class LostPartitions:
    """Partitions of one topic whose only copy is on a lost member."""

    topic_id: bytes
    topic: str
    partitions: Sequence[int]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RingResult:
    """The result of a change of the ring.

    If `refusal` is None, the change is durable; the moves that follow from it may still run. `lost`
    are the partitions lost by a removal, or those that a refused removal would lose.
    """

    refusal: RingRefusal | None = None
    message: str | None = field(default=None)
    lost: Sequence[LostPartitions] = ()


class Ring(Protocol):
    """The ring and its moves. Every method raises `BackendUnavailable` if no service responds."""

    async def describe_ring(self) -> RingDescription: ...

    async def add_member(self, name: str) -> RingResult:
        """Adds a registered member to the ring, also after it was drained. Idempotent."""
        ...

    async def drain_member(self, name: str) -> RingResult:
        """Starts moving all partitions of a member to other members. Idempotent."""
        ...

    async def remove_member(self, name: str, *, accept_data_loss: bool = False) -> RingResult:
        """Removes a dead member that owns no partitions.

        With `accept_data_loss` the member may own partitions: each is recreated empty on a live
        member of the ring, with a higher leader epoch. The lost volume can never register again.
        """
        ...

    async def accept_volume(self, name: str) -> RingResult:
        """Allows the next registration of a member with an older copy of its volume.

        It also allows a volume that has applied changes unknown to the metadata service, after that
        was restored from a backup. The member's partitions start new leader epochs. Valid for one
        registration; refused while the member is alive.
        """
        ...

    async def cancel_move(self, move_id: int) -> RingResult:
        """Rolls back an uncommitted move. It may be planned again later."""
        ...

    async def advance_move(
        self, move_id: int, phase: MovePhase, *, process: MemberProcess | None = None
    ) -> Move | None:
        """Records durably that a move has reached `phase`, and returns the current move.

        Called by the target up to COMMIT, which changes owner and epoch in the same write.
        Idempotent: a move in a later phase is returned unchanged. Returns None if the move does not
        exist (any more); its target then deletes its copy.

        `process` is the caller. Older releases send None, which is accepted only if the registered
        target has no `opening_id` either.

        Raises:
            BackendUnavailable: also if `process` is not the registered process of the target.
        """
        ...

    async def end_move(self, move_id: int, *, process: MemberProcess | None = None) -> None:
        """Deletes the record of a move; the source calls it after deleting its copy. Idempotent.

        `process` as in `advance_move`, of the source.
        """
        ...
