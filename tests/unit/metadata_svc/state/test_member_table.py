import random

from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Placement, PlacementChange, Topic
from common.ports.moves import RingState
from metadata_svc.state.member_table import MemberTable
from metadata_svc.state.mutation import Mutation
from metadata_svc.state.store import State

TOPIC = Topic(bytes(16), "t", (Placement("a", 0), Placement("a", 0), Placement("b", 0)))


def apply_all(*mutations):
    member_table, view = MemberTable(), ClusterView()
    view.apply(ClusterChange(0, "c", is_snapshot=True))
    for revision, mutation in enumerate(mutations, 1):
        member_table.apply(mutation, view)
        view.apply(mutation.as_change(revision=revision, cluster_id="c"))
    return member_table


def test_member_table_is_loaded_from_the_stored_state():
    member_table = MemberTable()
    member_table.load(
        State(
            cluster_id="c",
            topics=(TOPIC,),
            ring_states={"a": RingState.DRAINING, "b": RingState.JOINED},
            next_move_id=9,
            is_rebalancing=True,
        )
    )
    assert (member_table.owned("a"), member_table.owned("b"), member_table.owned("x")) == (2, 1, 0)
    assert member_table.in_state(RingState.JOINED) == {"b"}
    assert (member_table.next_move_id, member_table.is_rebalancing) == (9, True)


def test_an_unknown_member_is_outside_the_ring():
    assert MemberTable().state("x") is RingState.OUTSIDE


def test_ring_states_change_and_are_removed_with_the_member():
    states = {"a": RingState.JOINED, "b": RingState.OUTSIDE}
    member_table = apply_all(
        Mutation(ring_states=states, is_rebalancing=True, next_move_id=4),
        Mutation(ring_states={"b": RingState.JOINED}),
        Mutation(removed_members=["a"]),
    )
    assert member_table.in_state(RingState.JOINED) == {"b"}
    assert (member_table.is_rebalancing, member_table.next_move_id) == (True, 4)


def test_tokens_and_acceptances_are_removed_with_the_member():
    member_table = MemberTable()
    member_table.load(
        State(cluster_id="c", volume_tokens={"a": "1"}, accepted_volumes=frozenset("a"))
    )
    view = ClusterView()
    change = Mutation(volume_tokens={"b": "2"}, accepted_volumes={"a": False, "b": True})
    member_table.apply(change, view)
    assert (member_table.volume_tokens, member_table.accepted_volumes) == (
        {"a": "1", "b": "2"},
        {"b"},
    )
    member_table.apply(Mutation(removed_members=["b"]), view)
    assert (member_table.volume_tokens, member_table.accepted_volumes) == ({"a": "1"}, set())


def test_lost_volumes_are_remembered():
    member_table = MemberTable()
    member_table.load(State(cluster_id="c", lost_volumes={"v-1": "a"}))
    view = ClusterView()
    member_table.apply(Mutation(removed_members=["b"], lost_volumes={"v-2": "b"}), view)
    assert member_table.lost_volumes == {"v-1": "a", "v-2": "b"}


def test_partitions_are_counted_through_every_kind_of_change():
    rng = random.Random(5)
    member_table, view = MemberTable(), ClusterView()
    view.apply(ClusterChange(0, "c", is_snapshot=True))
    for revision in range(1, 300):
        topic_id = bytes([rng.randrange(6)]) * 16
        topic_before = view.topic_by_id(topic_id)
        placements = tuple(Placement(rng.choice("abc"), 0) for _ in range(rng.randint(1, 5)))
        new_topic = Topic(topic_id, topic_id.hex(), placements)
        if topic_before is None or rng.random() < 0.2:
            mutation = Mutation(topics=[new_topic])
        elif rng.random() < 0.3:
            mutation = Mutation(deleted_topics=[topic_before])
        else:
            partition = rng.randrange(len(topic_before.partitions))
            moved = PlacementChange(topic_id, partition, Placement(rng.choice("abc"), revision))
            mutation = Mutation(placements=[moved])
        member_table.apply(mutation, view)
        view.apply(mutation.as_change(revision=revision, cluster_id="c"))
        owners = [placement.owner for topic in view.topics for placement in topic.partitions]
        assert member_table.loads() == {name: owners.count(name) for name in sorted(set(owners))}
