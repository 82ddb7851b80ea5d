"""Contract of a `Ring` about processes of members. Subclass it beside `RingContract`."""

from dataclasses import replace

import pytest

from common.ports.metadata import Member, Placement, VolumeState
from common.ports.moves import MemberProcess, MovePhase, RingRefusal
from common.ports.unavailable import BackendUnavailable, RegistrationRefused
from tests.contracts.metadata_contract import change_with, following, until, watching
from tests.contracts.ring_contract import Cluster, member, with_ring


def opened_as(opening_id: str, one: Member) -> Member:
    return replace(one, opening_id=opening_id)


def with_volume(one: Member, *tokens: str, **state: object) -> Member:
    """Opened as its newest token, so that each is a process of its own."""
    volume = VolumeState(tokens, **state)  # type: ignore[arg-type]
    return replace(one, opening_id=tokens[-1], volume=volume)


async def refused(cluster: Cluster, one: Member, *, why: str) -> None:
    with pytest.raises(RegistrationRefused, match=why):
        async with watching(cluster.metadata, one) as watch:
            await change_with(watch, lambda _: True)


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

    @with_ring
    async def test_a_volume_is_continued_from_the_newest_token_that_was_recorded(self, cluster):
        one = member(0, incarnation=5)
        await cluster.join(with_volume(one, "a"))
        await cluster.topic()
        # The shared view does not contain volumes.
        assert cluster.view.member("p-0") == opened_as("a", one)
        await cluster.metadata.renew_volume_token(MemberProcess("p-0", "a"), "b")
        # The process that renewed it says what it knew before that.
        await cluster.join(with_volume(one, "a"))
        # A copy that was taken while it ran, and one that was opened as often as the original.
        await refused(cluster, with_volume(one, "a", "x"), why="older copy")
        await refused(cluster, with_volume(one, "0", "x"), why="older copy")
        await cluster.join(with_volume(one, "b", "c"))
        for process in (MemberProcess("p-0", "a"), MemberProcess("p-9", "c")):
            with pytest.raises(BackendUnavailable):
                await cluster.metadata.renew_volume_token(process, "d")
        # Its response was lost: the next process knows either.
        await cluster.metadata.renew_volume_token(MemberProcess("p-0", "c"), "d")
        await cluster.join(with_volume(one, "c", "d", "e"))
        await refused(cluster, with_volume(one, "c", "x"), why="older copy")

    @with_ring
    async def test_an_operator_lets_an_older_volume_in_under_new_epochs_once(self, cluster):
        one, older = member(0), with_volume(member(0), "older", "x", leader_epoch=6)
        async with following(cluster.metadata, with_volume(one, "a")):
            await until(lambda: cluster.view.member("p-0"))
            topic_id = await cluster.topic()
            assert (await cluster.ring.accept_volume("p-0")).refusal is RingRefusal.ALIVE
        await refused(cluster, older, why="ring accept p-0")
        while (await cluster.ring.accept_volume("p-0")).refusal is RingRefusal.ALIVE:
            pass
        async with following(cluster.metadata, older) as view:
            await until(lambda: view.placement(topic_id, 0) == Placement("p-0", 7))
        await refused(cluster, with_volume(one, "a", "y"), why="older copy")
        await cluster.join(with_volume(one, "x", "z"))
        assert cluster.view.placement(topic_id, 0) == Placement("p-0", 7)

    @with_ring
    async def test_a_volume_that_may_lack_records_has_its_new_epochs_in_the_first_snapshot(
        self, cluster
    ):
        await cluster.join(with_volume(member(0), "a"))
        topic_id = await cluster.topic()
        again = with_volume(member(0), "a", "b", may_lack_records=True)
        async with watching(cluster.metadata, again) as watch:
            first = await change_with(watch, lambda _: True)
        assert first.is_snapshot
        (topic,) = [one for one in first.topics if one.topic_id == topic_id]
        assert topic.partitions == (Placement("p-0", 1),)

    @with_ring
    async def test_metadata_that_is_older_than_a_volume_is_refused_until_an_operator_says_so(
        self, cluster
    ):
        ahead = with_volume(member(0), "a", applied_revision=10_000, move_id=70)
        await refused(cluster, ahead, why="restored from an older backup")
        assert (await cluster.ring.accept_volume("p-0")).refusal is None
        async with following(cluster.metadata, ahead) as view:
            await until(lambda: view.revision > 10_000)
            await cluster.topic(partitions=2)
            await cluster.join(with_volume(member(1), "b"))
            await until(lambda: cluster.view.moves)
            assert min(move.move_id for move in cluster.view.moves) > 70
