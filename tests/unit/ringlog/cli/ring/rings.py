"""Descriptions of rings, and a fake of the ring's port."""

from common.ports.moves import (
    Move,
    MoveDescription,
    MovePhase,
    RingDescription,
    RingMember,
    RingResult,
    RingState,
)


def member(name, state=RingState.JOINED, *, partitions=0, planned=None, is_alive=True, disk=None):
    planned = partitions if planned is None else planned
    return RingMember(name, f"{name}:9292", state, is_alive, partitions, planned, 1_500_000, disk)


def move(copied=0, total=0, rate=0, *, phase=MovePhase.PREPARE, move_id=7, trouble=""):
    moving = Move(move_id, b"\xff" * 16, 3, "partition-0", "partition-1", 5, phase)
    return MoveDescription(moving, "orders", copied, total, rate, trouble)


def ring(*members, moves=(), waiting=0, waiting_bytes=0, is_rebalancing=False, **fields):
    return RingDescription(9, members, moves, waiting, waiting_bytes, is_rebalancing, **fields)


class FakeRing:
    """Returns the descriptions in order, the last one repeatedly; records every change."""

    def __init__(self, *descriptions, result=RingResult()):  # noqa: B008 - it is immutable
        self.descriptions = list(descriptions)
        self.result = result
        self.changes = []

    async def describe_ring(self):
        descriptions = self.descriptions
        description = descriptions.pop(0) if len(descriptions) > 1 else descriptions[0]
        if isinstance(description, Exception):
            raise description
        return description

    async def add_member(self, name):
        return self._record("add", name)

    async def drain_member(self, name):
        return self._record("drain", name)

    async def remove_member(self, name, *, accept_data_loss=False):
        return self._record("remove", name, *(["lossy"] if accept_data_loss else []))

    async def accept_volume(self, name):
        return self._record("accept", name)

    async def cancel_move(self, move_id):
        return self._record("cancel", move_id)

    def _record(self, *change):
        self.changes.append(change)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result
