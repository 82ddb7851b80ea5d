import random

from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Placement, PlacementChange, Topic
from common.ports.moves import RingState
from metadata_svc.state.mutation import Difference
from metadata_svc.state.ring_state import RingBook
from metadata_svc.state.store import State

TOPIC = Topic(bytes(16), "t", (Placement("a", 0), Placement("a", 0), Placement("b", 0)))


def applied(*differences):
    book, view = RingBook(), ClusterView()
    view.apply(ClusterChange(0, "c", is_snapshot=True))
    for revision, one in enumerate(differences, 1):
        book.apply(one, view)
        view.apply(one.as_change(revision=revision, cluster_id="c"))
    return book


def test_it_begins_with_what_was_kept():
    book = RingBook()
    book.load(
        State(
            cluster_id="c",
            topics=(TOPIC,),
            ring_states={"a": RingState.DRAINING, "b": RingState.JOINED},
            next_move_id=9,
            is_rebalancing=True,
        )
    )
    assert (book.owned("a"), book.owned("b"), book.owned("x")) == (2, 1, 0)
    assert book.in_state(RingState.JOINED) == {"b"}
    assert (book.next_move_id, book.is_rebalancing) == (9, True)


def test_who_is_not_known_is_outside():
    assert RingBook().state("x") is RingState.OUTSIDE


def test_states_change_and_go_with_the_member():
    states = {"a": RingState.JOINED, "b": RingState.OUTSIDE}
    book = applied(
        Difference(ring_states=states, is_rebalancing=True, next_move_id=4),
        Difference(ring_states={"b": RingState.JOINED}),
        Difference(members_gone=["a"]),
    )
    assert book.in_state(RingState.JOINED) == {"b"}
    assert (book.is_rebalancing, book.next_move_id) == (True, 4)


def test_tokens_and_acceptances_go_with_the_member():
    book = RingBook()
    book.load(State(cluster_id="c", volume_tokens={"a": "1"}, accepted_volumes=frozenset("a")))
    view = ClusterView()
    change = Difference(volume_tokens={"b": "2"}, accepted_volumes={"a": False, "b": True})
    book.apply(change, view)
    assert (book.volume_tokens, book.accepted_volumes) == ({"a": "1", "b": "2"}, {"b"})
    book.apply(Difference(members_gone=["b"]), view)
    assert (book.volume_tokens, book.accepted_volumes) == ({"a": "1"}, set())


def test_lost_volumes_are_remembered():
    book = RingBook()
    book.load(State(cluster_id="c", lost_volumes={"v-1": "a"}))
    view = ClusterView()
    book.apply(Difference(members_gone=["b"], lost_volumes={"v-2": "b"}), view)
    assert book.lost_volumes == {"v-1": "a", "v-2": "b"}


def test_partitions_are_counted_through_every_kind_of_change():
    dice = random.Random(5)
    book, view = RingBook(), ClusterView()
    view.apply(ClusterChange(0, "c", is_snapshot=True))
    for revision in range(1, 300):
        topic_id = bytes([dice.randrange(6)]) * 16
        known = view.topic_by_id(topic_id)
        placements = tuple(Placement(dice.choice("abc"), 0) for _ in range(dice.randint(1, 5)))
        topic = Topic(topic_id, topic_id.hex(), placements)
        if known is None or dice.random() < 0.2:
            difference = Difference(topics=[topic])
        elif dice.random() < 0.3:
            difference = Difference(topics_gone=[known])
        else:
            partition = dice.randrange(len(known.partitions))
            moved = PlacementChange(topic_id, partition, Placement(dice.choice("abc"), revision))
            difference = Difference(placements=[moved])
        book.apply(difference, view)
        view.apply(difference.as_change(revision=revision, cluster_id="c"))
        owners = [one.owner for each in view.topics for one in each.partitions]
        assert book.loads() == {name: owners.count(name) for name in sorted(set(owners))}
