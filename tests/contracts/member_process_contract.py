"""Contract of a `Ring` about processes of members. Subclass it beside `RingContract`."""

from dataclasses import replace

import pytest

from common.ports.metadata import Member, Placement, VolumeState
from common.ports.moves import MemberProcess, MovePhase, RingRefusal
from common.ports.unavailable import BackendUnavailable, RegistrationRefused
from tests.contracts.metadata_contract import change_with, following, until, watching
from tests.contracts.ring_contract import Cluster, member, with_ring


def with_opening_id(opening_id: str, member: Member) -> Member:
    return replace(member, opening_id=opening_id)


def with_volume(member: Member, *tokens: str, **state: object) -> Member:
    """Returns a process of `member` with these tokens; its opening id is the newest token."""
    volume = VolumeState(tokens, **state)  # type: ignore[arg-type]
    return replace(member, opening_id=tokens[-1], volume=volume)


async def assert_refused(cluster: Cluster, member: Member, *, reason: str) -> None:
    with pytest.raises(RegistrationRefused, match=reason):
        async with watching(cluster.metadata, member) as watch:
            await change_with(watch, lambda _: True)


class MemberProcessContract:
    @with_ring
    async def test_only_the_registered_process_of_a_member_changes_its_moves(self, cluster):
        await cluster.join(with_opening_id("source-1", member(0)))
        await cluster.create_topic(partitions=2)
        await cluster.join(with_opening_id("target-1", member(1)))
        await until(lambda: cluster.view.moves)
        [move] = cluster.view.moves
        first = MemberProcess("p-1", "target-1")
        await cluster.ring.advance_move(move.move_id, MovePhase.FENCE, process=first)
        await cluster.join(with_opening_id("target-2", member(1, incarnation=2)))
        refused_processes = (
            first,
            None,
            MemberProcess("p-0", "source-1"),
            MemberProcess("p-1", ""),
        )
        for process in refused_processes:
            with pytest.raises(BackendUnavailable):
                await cluster.ring.advance_move(move.move_id, MovePhase.COMMIT, process=process)
        key = move.topic_id, move.partition
        assert cluster.view.placement(*key) == Placement("p-0", 0)
        second = MemberProcess("p-1", "target-2")
        committed = await cluster.ring.advance_move(move.move_id, MovePhase.COMMIT, process=second)
        assert committed.phase is MovePhase.COMMIT
        for process in (second, None, MemberProcess("p-0", "source-0")):
            with pytest.raises(BackendUnavailable):
                await cluster.ring.end_move(move.move_id, process=process)
        await until(lambda: cluster.view.move(move.move_id) == committed)
        await cluster.ring.end_move(move.move_id, process=MemberProcess("p-0", "source-1"))
        await until(lambda: cluster.view.move(move.move_id) is None)

    @with_ring
    async def test_a_volume_must_have_the_newest_recorded_token(self, cluster):
        registered = member(0, incarnation=5)
        await cluster.join(with_volume(registered, "a"))
        await cluster.create_topic()
        # The shared view does not contain volumes.
        assert cluster.view.member("p-0") == with_opening_id("a", registered)
        await cluster.metadata.renew_volume_token(MemberProcess("p-0", "a"), "b")
        # The process that renewed the token registers again with its older one.
        await cluster.join(with_volume(registered, "a"))
        # A copy from before the renewal, and one with other tokens and the same incarnation.
        await assert_refused(cluster, with_volume(registered, "a", "x"), reason="older copy")
        await assert_refused(cluster, with_volume(registered, "0", "x"), reason="older copy")
        await cluster.join(with_volume(registered, "b", "c"))
        for process in (MemberProcess("p-0", "a"), MemberProcess("p-9", "c")):
            with pytest.raises(BackendUnavailable):
                await cluster.metadata.renew_volume_token(process, "d")
        # The response to this renewal was lost, so the next process has both tokens.
        await cluster.metadata.renew_volume_token(MemberProcess("p-0", "c"), "d")
        await cluster.join(with_volume(registered, "c", "d", "e"))
        await assert_refused(cluster, with_volume(registered, "c", "x"), reason="older copy")

    @with_ring
    async def test_an_operator_may_accept_an_older_volume_once_under_new_epochs(self, cluster):
        registered, older = member(0), with_volume(member(0), "older", "x", leader_epoch=6)
        async with following(cluster.metadata, with_volume(registered, "a")):
            await until(lambda: cluster.view.member("p-0"))
            topic_id = await cluster.create_topic()
            assert (await cluster.ring.accept_volume("p-0")).refusal is RingRefusal.ALIVE
        await assert_refused(cluster, older, reason="ring accept p-0")
        while (await cluster.ring.accept_volume("p-0")).refusal is RingRefusal.ALIVE:
            pass
        async with following(cluster.metadata, older) as view:
            await until(lambda: view.placement(topic_id, 0) == Placement("p-0", 7))
        await assert_refused(cluster, with_volume(registered, "a", "y"), reason="older copy")
        await cluster.join(with_volume(registered, "x", "z"))
        assert cluster.view.placement(topic_id, 0) == Placement("p-0", 7)

    @with_ring
    async def test_a_volume_that_may_lack_records_gets_new_epochs_in_its_first_snapshot(
        self, cluster
    ):
        await cluster.join(with_volume(member(0), "a"))
        topic_id = await cluster.create_topic()
        restarted = with_volume(member(0), "a", "b", may_lack_records=True)
        async with watching(cluster.metadata, restarted) as watch:
            first = await change_with(watch, lambda _: True)
        assert first.is_snapshot
        (topic,) = [topic for topic in first.topics if topic.topic_id == topic_id]
        assert topic.partitions == (Placement("p-0", 1),)

    @with_ring
    async def test_metadata_older_than_a_volume_is_refused_until_an_operator_accepts(self, cluster):
        ahead = with_volume(member(0), "a", applied_revision=10_000, move_id=70)
        await assert_refused(cluster, ahead, reason="restored from an older backup")
        assert (await cluster.ring.accept_volume("p-0")).refusal is None
        async with following(cluster.metadata, ahead) as view:
            await until(lambda: view.revision > 10_000)
            await cluster.create_topic(partitions=2)
            await cluster.join(with_volume(member(1), "b"))
            await until(lambda: cluster.view.moves)
            assert min(move.move_id for move in cluster.view.moves) > 70
