import asyncio

import pytest

from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Placement, Topic
from metadata_svc.watch.hub import WatchEnded, WatchHub


def far_deadline():
    return asyncio.get_running_loop().time() + 60


def passed_deadline():
    return asyncio.get_running_loop().time()


def topic(number: int) -> Topic:
    return Topic(number.to_bytes(16, "big"), f"t{number}", (Placement("p", 0),))


class Cluster:
    """A hub whose view grows by a topic with each change."""

    def __init__(self, *, queue_length_max: int = 100) -> None:
        self.view = ClusterView()
        self.view.apply(ClusterChange(revision=0, cluster_id="c", is_snapshot=True))
        self.hub = WatchHub(self.view, queue_length_max=queue_length_max)

    def change(self) -> int:
        revision = self.view.revision + 1
        change = ClusterChange(revision=revision, cluster_id="c", topics=[topic(revision)])
        self.view.apply(change)
        self.hub.publish(change)
        return revision


def run(body):
    async def bounded():
        async with asyncio.timeout(60):
            await body()

    asyncio.run(bounded())


def test_a_watcher_gets_a_snapshot_then_each_change_in_order():
    async def body():
        cluster = Cluster()
        cluster.change()
        watcher = cluster.hub.add("w")
        cluster.change()
        first = await watcher.next()
        assert (first.is_snapshot, first.revision, len(first.topics)) == (True, 2, 2)
        cluster.change()
        cluster.change()
        assert [(await watcher.next()).revision for _ in range(2)] == [3, 4]

    run(body)


def test_a_snapshot_is_built_once_per_revision():
    async def body():
        cluster = Cluster()
        first, second = [await cluster.hub.add(name).next() for name in "ab"]
        assert first is second
        cluster.change()
        third = await cluster.hub.add("c").next()
        assert (third.revision, len(third.topics)) == (1, 1)

    run(body)


def test_a_watcher_waits_for_the_next_change():
    async def body():
        cluster = Cluster()
        watcher = cluster.hub.add("w")
        await watcher.next()
        waiting = asyncio.create_task(watcher.next())
        await asyncio.sleep(0)
        assert not waiting.done()
        cluster.change()
        assert (await waiting).revision == 1

    run(body)


def test_a_cancelled_wait_loses_no_change():
    async def body():
        cluster = Cluster()
        watcher = cluster.hub.add("w")
        await watcher.next()
        waiting = asyncio.create_task(watcher.next())
        await asyncio.sleep(0)
        cluster.change()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await watcher.next()).revision == 1

    run(body)


def test_a_watcher_too_far_behind_gets_a_snapshot_in_place_of_its_queue():
    async def body():
        cluster = Cluster(queue_length_max=10)
        slow, quick = cluster.hub.add("slow"), cluster.hub.add("quick")
        await slow.next()
        await quick.next()
        for revision in range(1, 31):
            cluster.change()
            assert (await quick.next()).revision == revision
        late = await slow.next()
        assert (late.is_snapshot, late.revision, len(late.topics)) == (True, 30, 30)
        cluster.change()
        assert not (await slow.next()).is_snapshot

    run(body)


def test_a_wait_ends_when_all_watchers_of_its_start_have_acknowledged():
    async def body():
        cluster = Cluster()
        watchers = [cluster.hub.add(name) for name in "abc"]
        for watcher in watchers:
            await watcher.next()
        revision = cluster.change()
        waiting = asyncio.create_task(
            cluster.hub.wait_all_acknowledged(revision, deadline=far_deadline())
        )
        for watcher in watchers:
            await asyncio.sleep(0)
            assert not waiting.done()
            assert (await watcher.next()).revision == revision
            cluster.hub.acknowledge(watcher, revision)
        assert await waiting

    run(body)


def test_a_wait_ignores_watchers_that_join_later():
    async def body():
        cluster = Cluster()
        watcher = cluster.hub.add("w")
        await watcher.next()
        revision = cluster.change()
        waiting = asyncio.create_task(
            cluster.hub.wait_all_acknowledged(revision, deadline=far_deadline())
        )
        await asyncio.sleep(0)
        cluster.hub.add("late")
        await watcher.next()
        cluster.hub.acknowledge(watcher, revision)
        assert await waiting

    run(body)


def test_a_wait_ends_when_the_missing_watcher_leaves():
    async def body():
        cluster = Cluster()
        watcher = cluster.hub.add("w")
        revision = cluster.change()
        waiting = asyncio.create_task(
            cluster.hub.wait_all_acknowledged(revision, deadline=far_deadline())
        )
        await asyncio.sleep(0)
        cluster.hub.remove(watcher, "closed")
        assert await waiting

    run(body)


def test_waiting_returns_at_once_without_watchers():
    async def body():
        assert await Cluster().hub.wait_all_acknowledged(0, deadline=passed_deadline())

    run(body)


def test_an_expired_wait_logs_the_names_of_missing_watchers(caplog):
    async def body():
        cluster = Cluster()
        cluster.hub.add("gateway 7")
        assert not await cluster.hub.wait_all_acknowledged(
            cluster.change(), deadline=passed_deadline()
        )

    run(body)
    assert "gateway 7" in caplog.text


def test_a_later_acknowledgement_covers_earlier_revisions_and_an_older_one_is_ignored():
    async def body():
        cluster = Cluster()
        watcher = cluster.hub.add("w")
        revisions = [cluster.change() for _ in range(3)]
        assert (await watcher.next()).revision == 3
        cluster.hub.acknowledge(watcher, 3)
        cluster.hub.acknowledge(watcher, 1)
        for revision in revisions:
            assert await cluster.hub.wait_all_acknowledged(revision, deadline=passed_deadline())

    run(body)


def test_an_acknowledgement_counts_only_for_changes_that_the_watcher_received():
    async def body():
        cluster = Cluster()
        watcher = cluster.hub.add("w")
        await watcher.next()
        revision = cluster.change()
        cluster.hub.acknowledge(watcher, revision)
        assert not await cluster.hub.wait_all_acknowledged(revision, deadline=passed_deadline())

    run(body)


def test_an_ended_watcher_gets_the_first_reason_and_nothing_else():
    async def body():
        cluster = Cluster()
        watcher = cluster.hub.add("w")
        cluster.hub.remove(watcher, "taken over")
        cluster.hub.remove(watcher, "closed")
        with pytest.raises(WatchEnded, match="taken over"):
            await watcher.next()

    run(body)


def test_ending_all_wakes_all_waiters():
    async def body():
        cluster = Cluster()
        watchers = [cluster.hub.add(name) for name in "ab"]
        for watcher in watchers:
            await watcher.next()
        waiting = [asyncio.create_task(watcher.next()) for watcher in watchers]
        await asyncio.sleep(0)
        cluster.hub.stop("stopping")
        for task in waiting:
            with pytest.raises(WatchEnded, match="stopping"):
                await task
        with pytest.raises(WatchEnded, match="stopping"):
            await cluster.hub.add("late").next()

    run(body)


def test_a_stop_fails_waits_for_acknowledgements():
    async def body():
        cluster = Cluster()
        cluster.hub.add("w")
        revision = cluster.change()
        waiting = asyncio.create_task(
            cluster.hub.wait_all_acknowledged(revision, deadline=far_deadline())
        )
        await asyncio.sleep(0)
        cluster.hub.stop("stopping")
        assert not await waiting
        assert not await cluster.hub.wait_all_acknowledged(revision, deadline=far_deadline())

    run(body)
