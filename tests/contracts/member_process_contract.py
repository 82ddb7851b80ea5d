"""What every `Ring` must do about processes of members. Subclass it beside `RingContract`."""

from dataclasses import replace

import pytest

from common.ports.metadata import Member, Placement
from common.ports.moves import MemberProcess, MovePhase
from common.ports.unavailable import BackendUnavailable
from tests.contracts.metadata_contract import until
from tests.contracts.ring_contract import member, with_ring


def opened_as(opening_id: str, one: Member) -> Member:
    return replace(one, opening_id=opening_id)


class MemberProcessContract:
    @with_ring
    async def test_only_the_registered_process_of_a_member_changes_its_moves(self, cluster):
        await cluster.join(opened_as("source-1", member(0)))
        await cluster.topic(partitions=2)
        await cluster.join(opened_as("target-1", member(1)))
        await until(lambda: cluster.view.moves)
        [move] = cluster.view.moves
        first = MemberProcess("p-1", "target-1")
        await cluster.ring.advance_move(move.move_id, MovePhase.FENCE, process=first)
        await cluster.join(opened_as("target-2", member(1, incarnation=2)))
        refused = (first, None, MemberProcess("p-0", "source-1"), MemberProcess("p-1", ""))
        for process in refused:
            with pytest.raises(BackendUnavailable):
                await cluster.ring.advance_move(move.move_id, MovePhase.COMMIT, process=process)
        key = move.topic_id, move.partition
        assert cluster.view.placement(*key) == Placement("p-0", 0)
        second = MemberProcess("p-1", "target-2")
        now = await cluster.ring.advance_move(move.move_id, MovePhase.COMMIT, process=second)
        assert now.phase is MovePhase.COMMIT
        for process in (second, None, MemberProcess("p-0", "source-0")):
            with pytest.raises(BackendUnavailable):
                await cluster.ring.end_move(move.move_id, process=process)
        await until(lambda: cluster.view.move(move.move_id) == now)
        await cluster.ring.end_move(move.move_id, process=MemberProcess("p-0", "source-1"))
        await until(lambda: cluster.view.move(move.move_id) is None)
