import base64

import pytest

from common.kv.memory import MemoryKvStore
from common.kv.store import StorageFailed, WriteBatch
from common.ports.metadata import ClusterChange, Gateway, Member, Placement, Topic
from metadata_svc.store import keys
from metadata_svc.store.state import StateStore

TOPIC = Topic(bytes(16), "t", (Placement("p", 0),), {"retention.ms": "1"})
MEMBER = Member("p", "a:1")


def change(revision: int, **parts) -> ClusterChange:
    return ClusterChange(revision=revision, cluster_id="", **parts)


def test_an_empty_store_becomes_a_new_cluster_which_stays_the_same():
    store = MemoryKvStore()
    first = StateStore(store).load()
    assert (first.revision, first.next_producer_id) == (0, 0)
    assert (first.topics, first.members, first.live) == ((), (), frozenset())
    assert len(base64.urlsafe_b64decode(first.cluster_id + "==")) == 16
    assert StateStore(store).load() == first


def test_two_clusters_have_different_ids():
    assert StateStore(MemoryKvStore()).load() != StateStore(MemoryKvStore()).load()


def test_topics_members_and_the_revision_are_kept_and_gateways_are_not():
    store = MemoryKvStore()
    state = StateStore(store)
    state.load()
    state.save_change(change(7, topics=[TOPIC], members=[MEMBER], gateways=[Gateway(0, ())]))
    kept = StateStore(store).load()
    assert (kept.revision, kept.topics, kept.members) == (7, (TOPIC,), (MEMBER,))


def test_what_is_gone_is_kept_no_longer():
    store = MemoryKvStore()
    state = StateStore(store)
    state.load()
    state.save_change(change(1, topics=[TOPIC], members=[MEMBER]))
    state.save_change(change(2, members_gone=["p"]), topic_names_gone=["t"])
    kept = StateStore(store).load()
    assert (kept.revision, kept.topics, kept.members) == (2, (), ())


def test_who_is_alive_is_kept_until_a_change_says_otherwise():
    store = MemoryKvStore()
    state = StateStore(store)
    state.load()
    state.save_change(change(1), live={"gateway/0", "member/p"})
    state.save_change(change(2, topics=[TOPIC]))
    assert StateStore(store).load().live == {"gateway/0", "member/p"}
    state.save_change(change(3), live=())
    assert StateStore(store).load().live == frozenset()


def test_a_name_never_has_two_topics_even_where_a_failed_write_reached_the_disk():
    store = MemoryKvStore()
    state = StateStore(store)
    state.load()
    state.save_change(change(1, topics=[TOPIC]))
    again = Topic(bytes([1]) * 16, "t", TOPIC.partitions)
    state.save_change(change(1, topics=[again]))
    assert StateStore(store).load().topics == (again,)


def test_each_change_is_one_synced_write():
    class Watched(MemoryKvStore):
        writes = ()

        def write(self, batch, *, sync):
            self.writes = (*self.writes, (len(batch), sync))
            super().write(batch, sync=sync)

    store = Watched()
    state = StateStore(store)
    state.load()
    store.writes = ()
    state.save_change(change(1, topics=[TOPIC], members=[MEMBER]), topic_names_gone=["x"])
    state.save_next_producer_id(5)
    assert store.writes == ((4, True), (1, True))
    assert StateStore(store).load().next_producer_id == 5


def test_a_store_of_another_format_is_refused_with_both_formats():
    store = MemoryKvStore()
    batch = WriteBatch()
    batch.put(keys.FORMAT_KEY, b"2")
    store.write(batch, sync=True)
    with pytest.raises(StorageFailed, match="format 2, this release knows format 1"):
        StateStore(store).load()


def test_a_store_that_lacks_a_key_is_refused():
    store = MemoryKvStore()
    StateStore(store).load()
    batch = WriteBatch()
    batch.delete(keys.CLUSTER_ID_KEY)
    store.write(batch, sync=True)
    with pytest.raises(StorageFailed, match="damaged"):
        StateStore(store).load()
