"""Contract of `Ring`. Subclasses implement `opened`.

The tests act for the members: they hold their watches and take the steps of their moves.
"""

import asyncio
from abc import abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from typing import Any

import pytest

from common.cluster.view import ClusterView
from common.ports.metadata import Member, Metadata, NewTopic, Placement, Watch
from common.ports.moves import (
    LogLoad,
    MemberReport,
    MovePhase,
    MoveProgress,
    Ring,
    RingDescription,
    RingRefusal,
    RingResult,
    RingState,
)
from common.ports.unavailable import BackendUnavailable, RegistrationRefused
from tests.contracts.metadata_contract import change_with, following, gateway, until, watching

#: `opened` must use these limits of concurrent moves, in all and of each member; members must join
#: without a command, and fences must last longer than a test.
MOVES_MAX = 3
MOVES_PER_MEMBER_MAX = 2

_TEST_WITHIN_S = 60
_LONG_TIMEOUT_MS = 30_000


def member(number: int, *, incarnation: int = 1, volume: str = "") -> Member:
    name = f"p-{number}"
    return Member(name, f"host-{number}:1", volume or f"volume of {name}", incarnation)


class Cluster:
    """A metadata service with members that watch; `view` is that of the first gateway."""

    def __init__(self, metadata: Metadata, ring: Ring, view: ClusterView, stack: AsyncExitStack):
        self.metadata = metadata
        self.ring = ring
        self.view = view
        self.watches: dict[str, Watch] = {}
        self._stack = stack

    async def join(self, *members: Member) -> None:
        """Starts members, which watch until the test ends."""
        for member in members:
            keep = partial(self.watches.__setitem__, member.name)
            await self._stack.enter_async_context(following(self.metadata, member, keep))
            await until(lambda name=member.name: self.view.member(name) is not None)

    async def create_topic(self, name: str = "t", partitions: int = 1) -> bytes:
        topics = [NewTopic(name, partitions)]
        [result] = await self.metadata.create_topics(topics, timeout_ms=_LONG_TIMEOUT_MS)
        assert result.refusal is None, result
        return result.topic_id

    async def member_state(self, name: str) -> RingState:
        members = {member.name: member for member in (await self.ring.describe_ring()).members}
        return members[name].state

    def owners(self) -> Counter[str]:
        """Returns the number of partitions of each owner."""
        placements = (placement for topic in self.view.topics for placement in topic.partitions)
        return Counter(placement.owner for placement in placements)

    async def start_move(self, phase: MovePhase = MovePhase.PREPARE):
        """Starts a move of a partition from p-0 to p-1, and advances it to `phase`."""
        await self.join(member(0))
        await self.create_topic(partitions=2)
        await self.join(member(1))
        await until(lambda: self.view.moves)
        [move] = self.view.moves
        for step in range(MovePhase.PREPARE, phase + 1):
            move = await self.ring.advance_move(move.move_id, MovePhase(step))
        await until(lambda: self.view.move(move.move_id) == move)
        return move

    async def wait_for_ring(self, matches: Callable[[RingDescription], object]) -> RingDescription:
        """Polls the ring until it matches, since watches do not show all of it."""
        while not matches(ring := await self.ring.describe_ring()):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        return ring

    async def wait_for_state(self, name: str, state: RingState) -> None:
        await self.wait_for_ring(
            lambda ring: (name, state) in {(m.name, m.state) for m in ring.members}
        )

    async def complete_moves(self, counts: dict[str, int]) -> None:
        """Takes the steps of all moves until members own `counts` partitions and none moves."""
        while True:
            ring = await self.wait_for_ring(lambda ring: ring.moves or self.owners() == counts)
            if not ring.moves and not ring.waiting_moves and self.owners() == counts:
                return
            for move in ring.moves:
                for phase in (MovePhase.CATCH_UP, MovePhase.FENCE, MovePhase.COMMIT):
                    await self.ring.advance_move(move.move.move_id, phase)
                await self.ring.end_move(move.move.move_id)

    async def remove_dead_member(self, name: str) -> RingResult:
        """Removes a member once it counts as dead; returns the result."""
        result = RingResult(RingRefusal.ALIVE)
        while result.refusal is RingRefusal.ALIVE:
            result = await self.ring.remove_member(name)
        return result


def with_ring(test: Callable[[Any, Cluster], Awaitable[None]]) -> Callable[[Any], None]:
    """Runs `test` with a cluster of one gateway."""

    async def body(self: "RingContract") -> None:
        async with (
            asyncio.timeout(_TEST_WITHIN_S),
            self.opened() as (metadata, ring),
            following(metadata, gateway(0)) as view,
            AsyncExitStack() as stack,
        ):
            await test(self, Cluster(metadata, ring, view, stack))

    def run(self: "RingContract") -> None:
        asyncio.run(body(self))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


class RingContract:
    @abstractmethod
    def opened(self) -> AbstractAsyncContextManager[tuple[Metadata, Ring]]:
        """An empty cluster; see the constants of this module for its settings."""

    @with_ring
    async def test_a_member_that_joins_gets_its_share_and_no_other_partitions_move(self, cluster):
        await cluster.join(member(0), member(1))
        topic_id = await cluster.create_topic(partitions=12)
        before = cluster.view.topic_by_id(topic_id).partitions
        assert cluster.owners() == {"p-0": 6, "p-1": 6}
        await cluster.join(member(2))
        await cluster.complete_moves({"p-0": 4, "p-1": 4, "p-2": 4})
        after = cluster.view.topic_by_id(topic_id).partitions
        for old, new in zip(before, after, strict=True):
            assert new in (old, Placement("p-2", old.leader_epoch + 1))
        assert cluster.view.moves == ()

    @with_ring
    async def test_new_topics_start_no_moves(self, cluster):
        await cluster.join(member(0), member(1), member(2))
        for number in range(5):
            await cluster.create_topic(f"t{number}", partitions=number + 1)
        ring = await cluster.ring.describe_ring()
        assert (len(ring.moves), ring.waiting_moves) == (0, 0)
        assert sorted(cluster.owners().values()) == [5, 5, 5]

    @with_ring
    async def test_concurrent_moves_do_not_exceed_their_limit(self, cluster):
        await cluster.join(member(0))
        await cluster.create_topic(partitions=40)
        await cluster.join(*(member(number) for number in range(1, 4)))
        await cluster.ring.drain_member("p-0")
        await cluster.ring.add_member("p-0")
        waiting = 30 - MOVES_PER_MEMBER_MAX
        ring = await cluster.wait_for_ring(lambda ring: ring.waiting_moves == waiting)
        assert len(ring.moves) == MOVES_PER_MEMBER_MAX
        planned = {member.name: member.planned for member in ring.members}
        assert planned == dict.fromkeys(planned, 10)
        owned = {member.name: member.partitions for member in ring.members}
        assert owned == dict.fromkeys(planned, 0) | {"p-0": 40}
        await cluster.complete_moves(dict.fromkeys(planned, 10))

    @with_ring
    async def test_each_step_of_a_move_may_be_repeated(self, cluster):
        move = await cluster.start_move()
        assert (move.source, move.target, move.leader_epoch) == ("p-0", "p-1", 0)
        for phase in (MovePhase.CATCH_UP, MovePhase.FENCE, MovePhase.COMMIT):
            for _ in range(2):
                advanced = await cluster.ring.advance_move(move.move_id, phase)
                assert advanced.phase is phase
            repeated = await cluster.ring.advance_move(move.move_id, MovePhase.PREPARE)
            assert repeated == advanced
        for _ in range(2):
            await cluster.ring.end_move(move.move_id)
        assert await cluster.ring.advance_move(move.move_id, MovePhase.COMMIT) is None

    @with_ring
    async def test_owner_and_epoch_change_with_the_commit_and_not_before(self, cluster):
        move = await cluster.start_move(MovePhase.FENCE)
        key = move.topic_id, move.partition
        assert cluster.view.placement(*key) == Placement("p-0", 0)
        async with watching(cluster.metadata, gateway(7)) as watch:
            await change_with(watch, lambda change: change.is_snapshot)
            await cluster.ring.advance_move(move.move_id, MovePhase.COMMIT)
            change = await change_with(watch, lambda change: change.moves)
        [placement] = change.placements
        assert tuple(placement) == (*key, Placement("p-1", 1))
        assert change.topics == ()
        await until(lambda: cluster.view.placement(*key) == Placement("p-1", 1))

    @with_ring
    async def test_a_move_is_not_committed_before_its_fence(self, cluster):
        move = await cluster.start_move(MovePhase.CATCH_UP)
        assert await cluster.ring.advance_move(move.move_id, MovePhase.COMMIT) == move
        await cluster.ring.end_move(move.move_id)
        assert await cluster.ring.advance_move(move.move_id, MovePhase.PREPARE) == move

    @with_ring
    async def test_an_unknown_move_is_none_and_ends_without_an_error(self, cluster):
        assert await cluster.ring.advance_move(999, MovePhase.FENCE) is None
        await cluster.ring.end_move(999)
        result = await cluster.ring.cancel_move(999)
        assert result.refusal is RingRefusal.UNKNOWN_MOVE
        assert result.message

    @with_ring
    async def test_a_move_cancelled_before_its_fence_does_not_change_the_placement(self, cluster):
        move = await cluster.start_move(MovePhase.CATCH_UP)
        assert (await cluster.ring.cancel_move(move.move_id)).refusal is None
        await until(lambda: not cluster.view.moves)
        assert cluster.view.placement(move.topic_id, move.partition) == Placement("p-0", 0)
        assert await cluster.ring.advance_move(move.move_id, MovePhase.FENCE) is None

    @with_ring
    async def test_a_move_cancelled_after_its_fence_raises_the_epoch(self, cluster):
        move = await cluster.start_move(MovePhase.FENCE)
        assert (await cluster.ring.cancel_move(move.move_id)).refusal is None
        await until(lambda: not cluster.view.moves)
        assert cluster.view.placement(move.topic_id, move.partition) == Placement("p-0", 1)
        assert await cluster.ring.advance_move(move.move_id, MovePhase.COMMIT) is None

    @with_ring
    async def test_a_committed_move_cannot_be_cancelled(self, cluster):
        move = await cluster.start_move(MovePhase.COMMIT)
        result = await cluster.ring.cancel_move(move.move_id)
        assert result.refusal is RingRefusal.UNKNOWN_MOVE
        assert cluster.view.placement(move.topic_id, move.partition) == Placement("p-1", 1)

    @with_ring
    async def test_a_cancelled_move_is_planned_again_after_a_ring_command(self, cluster):
        move = await cluster.start_move()
        await cluster.ring.cancel_move(move.move_id)
        await until(lambda: not cluster.view.moves)
        await cluster.ring.add_member("p-1")
        await until(lambda: cluster.view.moves)
        [second_move] = cluster.view.moves
        assert second_move.move_id > move.move_id
        assert second_move.target == "p-1"

    @with_ring
    async def test_a_drained_member_owns_and_gets_no_partitions_until_added_again(self, cluster):
        await cluster.join(member(0), member(1))
        await cluster.create_topic(partitions=8)
        for _ in range(2):
            assert (await cluster.ring.drain_member("p-1")).refusal is None
        assert await cluster.member_state("p-1") is RingState.DRAINING
        await cluster.create_topic("u", partitions=4)
        await cluster.complete_moves({"p-0": 12})
        await cluster.wait_for_state("p-1", RingState.DRAINED)
        ring = cluster.ring
        await cluster.join(member(1, incarnation=2))
        assert await cluster.member_state("p-1") is RingState.DRAINED
        assert (await ring.drain_member("p-1")).refusal is None
        assert await cluster.member_state("p-1") is RingState.DRAINED
        assert (await ring.add_member("p-1")).refusal is None
        assert await cluster.member_state("p-1") is RingState.JOINED
        await cluster.complete_moves({"p-0": 6, "p-1": 6})

    @with_ring
    async def test_the_last_member_and_unknown_members_cannot_be_drained(self, cluster):
        await cluster.join(member(0))
        result = await cluster.ring.drain_member("p-0")
        assert result.refusal is RingRefusal.LAST_MEMBER
        assert result.message
        assert await cluster.member_state("p-0") is RingState.JOINED
        ring = cluster.ring
        for call in (ring.drain_member, ring.add_member, ring.remove_member):
            assert (await call("unknown")).refusal is RingRefusal.UNKNOWN_MEMBER

    @with_ring
    async def test_moves_to_a_drained_member_are_rolled_back(self, cluster):
        move = await cluster.start_move(MovePhase.FENCE)
        await cluster.ring.drain_member("p-1")
        await until(lambda: not cluster.view.moves)
        assert cluster.view.placement(move.topic_id, move.partition) == Placement("p-0", 1)
        await cluster.wait_for_state("p-1", RingState.DRAINED)

    @with_ring
    async def test_a_member_is_removed_only_when_dead_and_empty(self, cluster):
        await cluster.join(member(0))
        async with following(cluster.metadata, member(1)):
            await cluster.create_topic(partitions=4)
            result = await cluster.ring.remove_member("p-1")
            assert result.refusal is RingRefusal.ALIVE
        assert (await cluster.remove_dead_member("p-1")).refusal is RingRefusal.NOT_EMPTY
        await cluster.ring.drain_member("p-1")
        async with following(cluster.metadata, member(1)):
            await cluster.complete_moves({"p-0": 4})
        assert (await cluster.remove_dead_member("p-1")).refusal is None
        await until(lambda: cluster.view.member("p-1") is None)
        assert [member.name for member in (await cluster.ring.describe_ring()).members] == ["p-0"]

    @with_ring
    async def test_partitions_of_a_lost_member_are_empty_under_a_higher_epoch(self, cluster):
        await cluster.join(member(0))
        async with following(cluster.metadata, member(1)) as view:
            topic_id = await cluster.create_topic(partitions=4)
            alive = await cluster.ring.remove_member("p-1", accept_data_loss=True)
            assert (alive.refusal, list(alive.lost)) == (RingRefusal.ALIVE, [])
            before = view.topic_by_id(topic_id).partitions
        lost = [number for number, placement in enumerate(before) if placement.owner == "p-1"]
        refused = await cluster.remove_dead_member("p-1")
        assert refused.refusal is RingRefusal.NOT_EMPTY
        assert [(topic.topic_id, topic.topic) for topic in refused.lost] == [(topic_id, "t")]
        assert list(refused.lost[0].partitions) == lost
        removed = await cluster.ring.remove_member("p-1", accept_data_loss=True)
        assert (removed.refusal, removed.lost) == (None, refused.lost)
        await until(lambda: cluster.view.member("p-1") is None)
        after = cluster.view.topic_by_id(topic_id).partitions
        reassigned = [number for number in range(4) if after[number] == Placement("p-0", 1)]
        assert reassigned == lost
        assert all(after[number] == before[number] for number in range(4) if number not in lost)

    @with_ring
    async def test_a_lost_volume_is_refused_and_its_member_may_register_another(self, cluster):
        await cluster.join(member(0))
        async with following(cluster.metadata, member(1)):
            await cluster.create_topic(partitions=4)
        assert (await cluster.remove_dead_member("p-1")).refusal is RingRefusal.NOT_EMPTY
        await cluster.ring.remove_member("p-1", accept_data_loss=True)
        for name in (1, 5):
            async with watching(
                cluster.metadata, member(name, incarnation=9, volume="volume of p-1")
            ) as watch:
                with pytest.raises(RegistrationRefused, match="declared lost"):
                    await anext(aiter(watch))
        await cluster.join(member(1, volume="new"))
        assert await cluster.member_state("p-1") is RingState.JOINED
        await cluster.complete_moves({"p-0": 2, "p-1": 2})

    @with_ring
    async def test_the_last_owner_is_not_removed(self, cluster):
        async with following(cluster.metadata, member(0)):
            await cluster.create_topic(partitions=2)
        assert (await cluster.remove_dead_member("p-0")).refusal is RingRefusal.NOT_EMPTY
        result = await cluster.ring.remove_member("p-0", accept_data_loss=True)
        assert result.refusal is RingRefusal.LAST_MEMBER
        assert result.message
        assert cluster.owners() == {"p-0": 2}
        assert cluster.view.member("p-0") == member(0)

    @with_ring
    async def test_a_move_after_its_fence_is_rolled_back_when_its_target_dies(self, cluster):
        await cluster.join(member(0))
        await cluster.create_topic(partitions=2)
        async with following(cluster.metadata, member(1)):
            await until(lambda: cluster.view.moves)
            [move] = cluster.view.moves
            await cluster.ring.advance_move(move.move_id, MovePhase.FENCE)
        await until(lambda: cluster.view.move(move.move_id) is None)
        assert cluster.view.placement(move.topic_id, move.partition) == Placement("p-0", 1)

    @with_ring
    async def test_a_move_before_its_fence_waits_for_its_target(self, cluster):
        await cluster.join(member(0))
        await cluster.create_topic(partitions=2)
        async with following(cluster.metadata, member(1)):
            await until(lambda: cluster.view.moves)
            [move] = cluster.view.moves
            await cluster.ring.advance_move(move.move_id, MovePhase.CATCH_UP)
        await cluster.join(member(1, incarnation=2))
        advanced = await cluster.ring.advance_move(move.move_id, MovePhase.CATCH_UP)
        assert (advanced.move_id, advanced.phase) == (move.move_id, MovePhase.CATCH_UP)

    @with_ring
    async def test_deletion_of_a_topic_removes_its_moves(self, cluster):
        move = await cluster.start_move(MovePhase.FENCE)
        async with watching(cluster.metadata, gateway(7)) as watch:
            await change_with(watch, lambda change: change.is_snapshot)
            deleting = asyncio.create_task(
                cluster.metadata.delete_topics(["t"], timeout_ms=_LONG_TIMEOUT_MS)
            )
            change = await change_with(watch, lambda change: change.deleted_topics)
            assert list(change.ended_moves) == [move.move_id]
        await deleting
        assert await cluster.ring.advance_move(move.move_id, MovePhase.COMMIT) is None
        ring = await cluster.ring.describe_ring()
        assert (list(ring.moves), ring.waiting_moves) == ([], 0)

    @with_ring
    async def test_description_has_sizes_and_progress_reported_by_members(self, cluster):
        await cluster.join(member(0))
        topic_id = await cluster.create_topic(partitions=2)
        loads = [LogLoad(topic_id, number, 1_000, 5) for number in (0, 1)]
        cluster.watches["p-0"].report(MemberReport(loads))
        await cluster.wait_for_ring(lambda ring: ring.members[0].size_bytes == 2_000)
        await cluster.join(member(1))
        [described] = (await cluster.wait_for_ring(lambda ring: ring.moves)).moves
        move = described.move
        assert (described.topic, described.copied_bytes, described.total_bytes) == ("t", 0, 1_000)
        cluster.watches["p-1"].report(MemberReport([], [MoveProgress(move.move_id, 400, 1_200)]))
        ring = await cluster.wait_for_ring(lambda ring: ring.moves[0].copied_bytes)
        assert (ring.moves[0].copied_bytes, ring.moves[0].total_bytes) == (400, 1_200)

    @with_ring
    async def test_an_owner_with_another_volume_is_refused_permanently(self, cluster):
        await cluster.join(member(0))
        await cluster.create_topic()
        for other_volume in (member(0, volume="empty"), Member("p-0", "host-0:1")):
            async with watching(cluster.metadata, other_volume) as watch:
                with pytest.raises(RegistrationRefused, match="p-0 owns 1 partitions"):
                    await anext(aiter(watch))
        assert cluster.view.member("p-0") == member(0)

    @with_ring
    async def test_a_member_without_partitions_may_register_a_new_volume(self, cluster):
        await cluster.join(member(0))
        await cluster.join(member(0, volume="new"))
        await until(lambda: cluster.view.member("p-0") == member(0, volume="new"))

    @with_ring
    async def test_the_volume_of_another_member_is_refused(self, cluster):
        await cluster.join(member(0))
        async with watching(cluster.metadata, member(1, volume="volume of p-0")) as watch:
            with pytest.raises(RegistrationRefused, match="the volume of p-0"):
                await anext(aiter(watch))
        assert cluster.view.member("p-1") is None

    @with_ring
    async def test_the_later_of_two_processes_on_one_volume_keeps_the_registration(self, cluster):
        async with watching(cluster.metadata, member(0, incarnation=4)) as old:
            await change_with(old, lambda change: change.is_snapshot)
            await cluster.join(member(0, incarnation=5))
            with pytest.raises(BackendUnavailable, match="taken over"):
                await change_with(old, lambda _: False)
        async with watching(cluster.metadata, member(0, incarnation=4)) as old:
            with pytest.raises(RegistrationRefused, match="a later process has replaced it"):
                await anext(aiter(old))
        assert cluster.view.member("p-0") == member(0, incarnation=5)
