import base64
from dataclasses import replace

import pytest

from common.kv.store import KvStoreFailed, WriteBatch
from common.ports.metadata import Gateway, Member, Placement, PlacementChange, Topic
from common.ports.moves import Move, MovePhase, RingState
from metadata_svc.state import keys, rows
from metadata_svc.state.mutation import Mutation
from metadata_svc.state.store import StateStore
from tests.support.stores.memory_store import MemoryKvStore

TOPIC = Topic(bytes(16), "t", (Placement("p", 0),), {"retention.ms": "1"})
MEMBER = Member("p", "a:1")


MOVE = Move(7, TOPIC.topic_id, 0, "p", "q", 0, MovePhase.PREPARE)


def open_state(store):
    state = StateStore(store)
    state.load()
    return state


def test_an_empty_store_gets_a_cluster_id_which_is_stored():
    store = MemoryKvStore()
    first = StateStore(store).load()
    assert (first.revision, first.next_producer_id) == (0, 0)
    assert (first.topics, first.members, first.live) == ((), (), frozenset())
    assert len(base64.urlsafe_b64decode(first.cluster_id + "==")) == 16
    assert StateStore(store).load() == first


def test_two_clusters_have_different_ids():
    assert StateStore(MemoryKvStore()).load() != StateStore(MemoryKvStore()).load()


def test_topics_members_and_the_revision_are_stored_and_gateways_are_not():
    store = MemoryKvStore()
    state = open_state(store)
    state.save_change(7, Mutation(topics=[TOPIC], members=[MEMBER], gateways=[Gateway(0, ())]))
    loaded = StateStore(store).load()
    assert (loaded.revision, loaded.topics, loaded.members) == (7, (TOPIC,), (MEMBER,))


def test_removed_topics_members_and_moves_are_deleted_from_the_store():
    store = MemoryKvStore()
    state = open_state(store)
    state.save_change(1, Mutation(topics=[TOPIC], members=[MEMBER]))
    state.save_change(2, Mutation(removed_members=["p"], deleted_topics=[TOPIC]))
    loaded = StateStore(store).load()
    assert (loaded.revision, loaded.topics, loaded.members) == (2, (), ())


def test_lost_volumes_are_stored_permanently():
    store = MemoryKvStore()
    state = open_state(store)
    state.save_change(1, Mutation(removed_members=["p"], lost_volumes={"v-1": "p"}))
    state.save_change(2, Mutation(removed_members=["q"], lost_volumes={"v-2": "q"}))
    state.save_change(3, Mutation(members=[MEMBER]))
    assert StateStore(store).load().lost_volumes == {"v-1": "p", "v-2": "q"}


def test_live_identities_stay_stored_until_a_change_replaces_them():
    store = MemoryKvStore()
    state = open_state(store)
    state.save_change(1, Mutation(live={"gateway/0", "member/p"}))
    state.save_change(2, Mutation(topics=[TOPIC]))
    assert StateStore(store).load().live == {"gateway/0", "member/p"}
    state.save_change(3, Mutation(live=()))
    assert StateStore(store).load().live == frozenset()


def test_a_name_never_has_two_topics_even_if_a_failed_write_reached_the_disk():
    store = MemoryKvStore()
    state = open_state(store)
    state.save_change(1, Mutation(topics=[TOPIC]))
    second = Topic(bytes([1]) * 16, "t", TOPIC.partitions)
    state.save_change(1, Mutation(topics=[second]))
    assert StateStore(store).load().topics == (second,)


def test_each_change_is_one_synced_write():
    class RecordingStore(MemoryKvStore):
        writes = ()

        def write(self, batch, *, sync):
            self.writes = (*self.writes, (len(batch), sync))
            super().write(batch, sync=sync)

    store = RecordingStore()
    state = open_state(store)
    store.writes = ()
    deleted = replace(TOPIC, name="x")
    state.save_change(1, Mutation(topics=[TOPIC], members=[MEMBER], deleted_topics=[deleted]))
    state.save_next_producer_id(5)
    assert store.writes == ((5, True), (1, True))
    assert StateStore(store).load().next_producer_id == 5


def test_a_store_of_another_format_is_refused_with_both_formats():
    store = MemoryKvStore()
    batch = WriteBatch()
    batch.put(keys.FORMAT_KEY, b"3")
    store.write(batch, sync=True)
    with pytest.raises(KvStoreFailed, match="format 3, this release reads format 2"):
        StateStore(store).load()


def test_a_store_that_lacks_a_key_is_refused():
    store = MemoryKvStore()
    StateStore(store).load()
    batch = WriteBatch()
    batch.delete(keys.CLUSTER_ID_KEY)
    store.write(batch, sync=True)
    with pytest.raises(KvStoreFailed, match="damaged"):
        StateStore(store).load()


def test_single_placements_are_stored_beside_the_topic_and_deleted_with_it():
    store = MemoryKvStore()
    state = open_state(store)
    topic = replace(TOPIC, partitions=(Placement("p", 0),) * 3)
    state.save_change(1, Mutation(topics=[topic]))
    moved = [
        PlacementChange(topic.topic_id, 2, Placement("q", 1)),
        PlacementChange(topic.topic_id, 0, Placement("r", 4)),
    ]
    state.save_change(2, Mutation(placements=moved))
    [loaded] = StateStore(store).load().topics
    assert loaded.partitions == (Placement("r", 4), Placement("p", 0), Placement("q", 1))
    assert replace(loaded, partitions=topic.partitions) == topic
    state.save_change(3, Mutation(deleted_topics=[loaded]))
    assert store.scan(*keys.PLACEMENTS) == []


def test_a_placement_is_a_small_write_however_many_partitions_the_topic_has():
    class RecordingStore(MemoryKvStore):
        written = 0

        def write(self, batch, *, sync):
            self.written = sum(len(key) + len(value or b"") for key, value in batch)
            super().write(batch, sync=sync)

    store = RecordingStore()
    state = open_state(store)
    state.save_change(1, Mutation(topics=[replace(TOPIC, partitions=TOPIC.partitions * 10_000)]))
    moved = PlacementChange(TOPIC.topic_id, 9_999, Placement("q", 1))
    state.save_change(2, Mutation(placements=[moved], moves=[MOVE]))
    assert store.written < 300


def test_moves_are_stored_until_they_end_and_the_next_id_is_stored():
    store = MemoryKvStore()
    state = open_state(store)
    assert StateStore(store).load().next_move_id == 1
    moved = [MOVE, replace(MOVE, move_id=300, partition=2)]
    state.save_change(1, Mutation(moves=moved, next_move_id=301))
    fenced = replace(MOVE, phase=MovePhase.FENCE)
    state.save_change(2, Mutation(moves=[fenced], ended_moves=[300]))
    loaded = StateStore(store).load()
    assert (loaded.moves, loaded.next_move_id) == ((fenced,), 301)


def test_ring_states_are_stored_until_the_member_is_removed():
    store = MemoryKvStore()
    state = open_state(store)
    states = {"p": RingState.JOINED, "q": RingState.OUTSIDE}
    state.save_change(1, Mutation(members=[MEMBER], ring_states=states, is_rebalancing=True))
    state.save_change(2, Mutation(ring_states={"p": RingState.DRAINING}))
    loaded = StateStore(store).load()
    assert loaded.ring_states == {"p": RingState.DRAINING, "q": RingState.OUTSIDE}
    assert loaded.is_rebalancing
    state.save_change(3, Mutation(removed_members=["q"], is_rebalancing=False))
    loaded = StateStore(store).load()
    assert (loaded.ring_states, loaded.is_rebalancing) == ({"p": RingState.DRAINING}, False)


def test_a_store_of_the_previous_format_is_loaded_with_all_members_in_the_ring():
    store = MemoryKvStore()
    batch = WriteBatch()
    for key, value in (
        (keys.FORMAT_KEY, b"1"),
        (keys.CLUSTER_ID_KEY, b"c"),
        (keys.REVISION_KEY, keys.encode_number(9)),
        (keys.PRODUCER_IDS_KEY, keys.encode_number(5)),
        (keys.LIVE_KEY, rows.encode_live(())),
        (keys.member_key("p"), b'{"name":"p","address":"a:1"}'),
        (keys.topic_key("t"), rows.encode_topic(TOPIC)),
    ):
        batch.put(key, value)
    store.write(batch, sync=True)
    loaded = StateStore(store).load()
    assert (loaded.revision, loaded.topics, loaded.members) == (9, (TOPIC,), (MEMBER,))
    assert loaded.ring_states == {"p": RingState.JOINED}
    assert (loaded.moves, loaded.is_rebalancing) == ((), False)
    assert StateStore(store).load() == loaded


def test_the_last_deletions_are_loaded_oldest_first(monkeypatch):
    monkeypatch.setattr("metadata_svc.state.store.DELETED_TOPICS_MAX", 2)
    store = MemoryKvStore()
    state = StateStore(store)
    state.load()
    topics = [
        replace(TOPIC, topic_id=bytes([9 - number]) * 16, name=str(number)) for number in range(3)
    ]
    for number, topic in enumerate(topics):
        state.save_change(number + 1, Mutation(deleted_topics=[topic]))
    assert state.load().deleted_topics == (topics[1].topic_id, topics[2].topic_id)
    assert len(store.scan(*keys.DELETED_TOPICS)) == 2


def test_tokens_and_acceptances_are_stored_until_the_member_is_removed():
    store = MemoryKvStore()
    state = open_state(store)
    change = Mutation(
        members=[MEMBER], volume_tokens={"p": "first"}, accepted_volumes={"p": True, "q": True}
    )
    state.save_change(1, change)
    state.save_volume_token("p", "second")
    state.save_change(2, Mutation(accepted_volumes={"q": False}))
    loaded = state.load()
    assert (loaded.volume_tokens, loaded.accepted_volumes) == ({"p": "second"}, {"p"})
    state.save_change(3, Mutation(removed_members=["p"]))
    loaded = state.load()
    assert (loaded.volume_tokens, loaded.accepted_volumes) == ({}, frozenset())
