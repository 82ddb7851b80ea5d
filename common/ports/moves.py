"""The port to the ring and its moves: which members hold partitions, and what is on its way.

Implemented by `metadata_svc` and by its gRPC client. A move brings one partition log from one
member to another; the metadata service records each step, the two members take them.

    PREPARE   recorded; the target copies the log in bulk while the source serves
    CATCH_UP  the bulk is there; the target copies the tail until it is short
    FENCE     the source takes no more appends, and hands over the last records and the state
    COMMIT    owner and leader epoch were changed in one write; the source deletes its copy
    (gone)    the source said that it is clean

A move that is rolled back is gone too. Where it was rolled back in FENCE, the partition stays with
its source under a higher leader epoch: that is what lifts the fence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol


class MovePhase(IntEnum):
    """How far a move is. Numbers and names are metadata.v1.MovePhase's."""

    PREPARE = 1
    CATCH_UP = 2
    FENCE = 3
    COMMIT = 4


@dataclass(frozen=True, slots=True)
class Move:
    """One partition on its way from member `source` to member `target`.

    `leader_epoch` is the partition's when the move began; after COMMIT it has a higher one.
    """

    move_id: int
    topic_id: bytes  # 16 bytes
    partition: int
    source: str
    target: str
    leader_epoch: int
    phase: MovePhase


class MemberProcess(NamedTuple):
    """One process of a member: calls that change a move say from which process they come."""

    name: str
    opening_id: str


class MoveProgress(NamedTuple):
    """What a target has of a log's bytes so far; `trouble` says why the move does not get on."""

    move_id: int
    copied_bytes: int
    total_bytes: int
    trouble: str = ""


class DiskState(NamedTuple):
    """How much of a member's disk copies of logs may take, and whether it takes appends."""

    room_bytes: int
    is_writable: bool = True


class LogLoad(NamedTuple):
    """What one log holds, and what is appended to it now."""

    topic_id: bytes
    partition: int
    size_bytes: int
    bytes_per_second: int


@dataclass(frozen=True, slots=True)
class MemberReport:
    """What a member tells from time to time. Kept in memory only, for progress and planning.

    `loads` are the logs that changed since the last report, `progress` the moves that it is the
    target of. `disk` is None where it has not changed.
    """

    loads: Sequence[LogLoad] = ()
    progress: Sequence[MoveProgress] = ()
    disk: DiskState | None = None


class RingState(IntEnum):
    """What a member is to the ring. Numbers and names are metadata.v1.RingState's."""

    #: Known, and never asked for: it holds nothing and gets nothing.
    OUTSIDE = 1
    #: Partitions are placed on it.
    JOINED = 2
    #: Its partitions move away; none comes.
    DRAINING = 3
    #: It holds nothing any more and can be taken away.
    DRAINED = 4


@dataclass(frozen=True, slots=True)
class RingMember:
    """One member as an operator sees it. `partitions` it owns, `planned` it will own.

    `disk` is None where the member has not reported it yet.
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
    """A recorded move, and how far its bytes are. Rates are of the last seconds.

    `trouble` says why the move does not get on; "" where it does.
    """

    move: Move
    topic: str
    copied_bytes: int = 0
    total_bytes: int = 0
    bytes_per_second: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class RingDescription:
    """The ring: members by name, recorded moves, and what waits to be moved.

    `is_rebalancing` from a change of the ring on until everything that follows from it is done,
    also before it is known what that is. `unsized_moves` are those, recorded or waiting, whose size
    no member has reported yet. `troubles` are sentences that say why moves are stuck or wait.
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
    """Why the ring was not changed. Numbers and names are metadata.v1.RingRefusal's."""

    UNKNOWN_MEMBER = 1
    #: Nobody would be left to hold the partitions.
    LAST_MEMBER = 2
    #: It still holds partitions.
    NOT_EMPTY = 3
    #: It is still alive.
    ALIVE = 4
    STORAGE_ERROR = 5
    UNKNOWN_MOVE = 6


@dataclass(frozen=True, slots=True)
class LostPartitions:
    """Partitions of one topic whose records are nowhere but on a member that is lost."""

    topic_id: bytes
    topic: str
    partitions: Sequence[int]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RingResult:
    """`refusal` None: done and durable. Moves that follow from it take their time.

    `lost` is what is lost with a member that is removed, or would be where that was refused.
    """

    refusal: RingRefusal | None = None
    message: str | None = field(default=None)
    lost: Sequence[LostPartitions] = ()


class Ring(Protocol):
    """Every method raises `BackendUnavailable` where nobody answers."""

    async def describe_ring(self) -> RingDescription: ...

    async def add_member(self, name: str) -> RingResult:
        """Lets a known member into the ring, also one that was drained before. Idempotent."""
        ...

    async def drain_member(self, name: str) -> RingResult:
        """Moves everything away from a member. Idempotent."""
        ...

    async def remove_member(self, name: str, *, accept_data_loss: bool = False) -> RingResult:
        """Forgets a member that is not alive, and holds nothing.

        With `accept_data_loss` also one that holds partitions: each begins anew, empty, on a live
        member of the ring, under a higher leader epoch. The volume never comes back.
        """
        ...

    async def accept_volume(self, name: str) -> RingResult:
        """Lets the next process of a member in whose volume is older than the one known.

        Also where the volume has applied changes that the metadata service does not know, because
        that was restored from a backup. Its partitions begin new leader epochs. Good for one
        registration; refused while the member is alive.
        """
        ...

    async def cancel_move(self, move_id: int) -> RingResult:
        """Rolls a move back that is not committed. It may be planned again later."""
        ...

    async def advance_move(
        self, move_id: int, phase: MovePhase, *, process: MemberProcess | None = None
    ) -> Move | None:
        """Records that a move has come to `phase`, durably, and returns it as it is now.

        Called by the target up to COMMIT, which changes owner and epoch in the same write.
        Idempotent: a move that is further on is returned as it is. None: there is no such move (any
        more); whoever was its target has nothing to keep.

        `process` is the caller. None comes from releases that do not name it, and is enough only
        where the registered target does not name its opening either.

        Raises:
            BackendUnavailable: also where `process` is not the registered process of the target.
        """
        ...

    async def end_move(self, move_id: int, *, process: MemberProcess | None = None) -> None:
        """Called by the source once its copy is deleted: the record goes. Idempotent.

        `process` as in `advance_move`, of the source.
        """
        ...
