import asyncio
import threading
from contextlib import asynccontextmanager

import pytest

from common.cluster.view import ClusterView
from common.kv.store import KvStoreFailed
from common.ports.metadata import ClusterChange, Member, Placement, Topic
from common.ports.unavailable import BackendUnavailable
from metadata_svc import change_log
from metadata_svc.change_log import ChangeLog
from metadata_svc.state.member_table import MemberTable
from metadata_svc.state.mutation import Mutation
from metadata_svc.state.store import StateStore
from metadata_svc.watch.hub import WatchHub
from tests.support.stores.memory_store import MemoryKvStore

TOPIC = Topic(bytes(16), "t", (Placement("p", 0),))


class SlowStore(MemoryKvStore):
    """Writes wait for `go`, and fail if `is_broken`."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()
        self.writing = threading.Event()
        self.is_broken = False
        self.go.set()

    def write(self, batch, *, sync):
        self.writing.set()
        assert self.go.wait(60)
        if self.is_broken:
            raise KvStoreFailed("broken")
        super().write(batch, sync=sync)


class Cluster:
    def __init__(self, store):
        self.store = store
        self.view = ClusterView()
        self.hub = WatchHub(self.view)
        self.member_table = MemberTable()
        self.change_log = ChangeLog(StateStore(store), self.view, self.member_table, self.hub)

    async def commit(self, **parts):
        return await self.change_log.run_exclusive(
            lambda: self.change_log.commit(Mutation(**parts))
        )


@asynccontextmanager
async def open_cluster():
    cluster = Cluster(SlowStore())
    state = await cluster.change_log.load()
    cluster.view.apply(
        ClusterChange(revision=state.revision, cluster_id=state.cluster_id, is_snapshot=True)
    )
    yield cluster
    await cluster.change_log.close()


def run(body):
    async def bounded():
        async with asyncio.timeout(60), open_cluster() as cluster:
            await body(cluster)

    asyncio.run(bounded())


def test_a_change_is_stored_applied_and_published_under_the_next_revision():
    async def body(cluster):
        watcher = cluster.hub.add("w")
        await watcher.next()
        assert await cluster.commit(topics=[TOPIC], members=[Member("p", "a:1")]) == 1
        assert cluster.view.topic("t") == TOPIC
        change = await watcher.next()
        assert (change.revision, change.topics) == (1, [TOPIC])
        assert await cluster.commit(deleted_topics=[TOPIC]) == 2
        assert (await watcher.next()).deleted_topics == [TOPIC.topic_id]
        stored = await cluster.change_log.load()
        assert (stored.revision, stored.topics, stored.members) == (2, (), (Member("p", "a:1"),))

    run(body)


def test_a_change_is_published_after_it_is_durable_without_blocking_the_loop():
    async def body(cluster):
        cluster.store.go.clear()
        cluster.store.writing.clear()
        committing = asyncio.create_task(cluster.commit(topics=[TOPIC]))
        await asyncio.to_thread(cluster.store.writing.wait)
        assert cluster.view.topic("t") is None
        assert not committing.done()
        cluster.store.go.set()
        assert await committing == 1
        assert cluster.view.topic("t") == TOPIC

    run(body)


def test_a_change_that_cannot_be_stored_is_not_published_and_uses_no_revision():
    async def body(cluster):
        watcher = cluster.hub.add("w")
        await watcher.next()
        cluster.store.is_broken = True
        with pytest.raises(KvStoreFailed):
            await cluster.commit(topics=[TOPIC])
        assert cluster.view.topic("t") is None
        cluster.store.is_broken = False
        assert await cluster.commit(members=[Member("p", "a:1")]) == 1
        assert (await watcher.next()).members == [Member("p", "a:1")]

    run(body)


def test_a_failpoint_is_passed_before_and_after_the_write_and_before_publishing(monkeypatch):
    passed = []

    async def body(cluster):
        async def reach(name):
            passed.append((name, (await cluster.change_log.load()).revision, cluster.view.revision))

        monkeypatch.setattr(change_log, "reach", reach)

        async def work():
            mutation = Mutation(members=[Member("p", "a:1")])
            await cluster.change_log.commit(mutation, step="move.metadata.end")

        await cluster.change_log.run_exclusive(work)
        assert cluster.view.revision == 1

    run(body)
    assert passed == [("move.metadata.end.before", 0, 0), ("move.metadata.end.after", 1, 0)]


def test_exclusive_runs_do_not_overlap():
    async def body(cluster):
        running, running_max = 0, 0

        async def work():
            nonlocal running, running_max
            running += 1
            running_max = max(running_max, running)
            await asyncio.sleep(0)
            running -= 1

        await asyncio.gather(*(cluster.change_log.run_exclusive(work) for _ in range(10)))
        assert running_max == 1

    run(body)


def test_a_cancelled_caller_does_not_interrupt_a_change():
    async def body(cluster):
        cluster.store.go.clear()
        cluster.store.writing.clear()
        committing = asyncio.create_task(cluster.commit(topics=[TOPIC]))
        await asyncio.to_thread(cluster.store.writing.wait)
        committing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await committing
        cluster.store.go.set()
        assert await cluster.commit(members=[Member("p", "a:1")]) == 2
        assert cluster.view.topic("t") == TOPIC

    run(body)


def test_closing_completes_changes_in_progress_and_refuses_new_ones():
    async def body(cluster):
        cluster.store.go.clear()
        cluster.store.writing.clear()
        committing = asyncio.create_task(cluster.commit(topics=[TOPIC]))
        await asyncio.to_thread(cluster.store.writing.wait)
        closing = asyncio.create_task(cluster.change_log.close())
        await asyncio.sleep(0)
        with pytest.raises(BackendUnavailable):
            await cluster.commit(members=[Member("p", "a:1")])
        cluster.store.go.set()
        assert await committing == 1
        await closing

    # The end of `run` closes it a second time, without an error.
    run(body)
