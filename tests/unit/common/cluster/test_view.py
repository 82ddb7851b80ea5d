import random

from common.cluster.view import DELETED_TOPICS_MAX, ClusterView
from common.ports.metadata import (
    ClusterChange,
    Endpoint,
    Gateway,
    Member,
    Placement,
    PlacementChange,
    Topic,
)
from common.ports.moves import Move, MovePhase


def topic(name: str, number: int, partitions: int = 1) -> Topic:
    return Topic(bytes([number]) * 16, name, (Placement("partition-0", 0),) * partitions)


def gateway(node_id: int, port: int = 9092) -> Gateway:
    return Gateway(node_id, (Endpoint("PLAINTEXT", "localhost", port),))


def move(move_id: int, partition: int = 0, phase: MovePhase = MovePhase.PREPARE) -> Move:
    return Move(move_id, bytes([1]) * 16, partition, "p-0", "p-1", 0, phase)


def change(revision: int, **parts) -> ClusterChange:
    return ClusterChange(revision=revision, cluster_id="cluster", **parts)


def view_of(*changes: ClusterChange) -> ClusterView:
    view = ClusterView()
    for cluster_change in changes:
        view.apply(cluster_change)
    return view


def test_a_view_is_empty_before_the_first_change():
    view = ClusterView()
    assert not view.has_snapshot
    assert (view.topics, view.gateways, view.members) == ((), (), ())
    assert view.topic("t") is None


def test_a_view_of_an_empty_cluster_has_its_snapshot():
    view = view_of(change(0, is_snapshot=True))
    assert view.has_snapshot
    assert (view.revision, view.cluster_id) == (0, "cluster")


def test_a_topic_is_found_by_name_and_by_id():
    t = topic("t", 1)
    view = view_of(change(1, topics=[t]))
    assert view.topic("t") is t
    assert view.topic_by_id(t.topic_id) is t


def test_only_existing_partitions_have_a_placement():
    t = topic("t", 1, partitions=2)
    view = view_of(change(1, topics=[t]))
    assert view.placement(t.topic_id, 1) == Placement("partition-0", 0)
    for topic_id, partition in [(t.topic_id, 2), (t.topic_id, -1), (bytes(16), 0)]:
        assert view.placement(topic_id, partition) is None


def test_topics_gateways_and_members_are_listed_in_order():
    view = view_of(
        change(
            1,
            topics=[topic("b", 1), topic("a", 2), topic("B", 3)],
            gateways=[gateway(10), gateway(2)],
            members=[Member("p-1", "b:1"), Member("p-0", "a:1")],
        )
    )
    assert [entry.name for entry in view.topics] == ["B", "a", "b"]
    assert [entry.node_id for entry in view.gateways] == [2, 10]
    assert [entry.name for entry in view.members] == ["p-0", "p-1"]


def test_removed_entries_are_not_found():
    t = topic("t", 1)
    view = view_of(
        change(1, topics=[t], gateways=[gateway(1)], members=[Member("p", "a:1")]),
        change(2, deleted_topics=[t.topic_id], removed_gateways=[1], removed_members=["p"]),
    )
    assert (view.topics, view.gateways, view.members) == ((), (), ())
    assert view.topic("t") is None
    assert view.topic_by_id(t.topic_id) is None
    assert view.gateway(1) is None
    assert view.member("p") is None


def test_removing_an_unknown_entry_is_no_error():
    view = view_of(
        change(1, deleted_topics=[bytes(16)], removed_gateways=[1], removed_members=["p"])
    )
    assert view.revision == 1


def test_a_new_state_of_an_entry_replaces_the_old_one():
    moved = topic("t", 1, partitions=3)
    view = view_of(
        change(1, topics=[topic("t", 1)], gateways=[gateway(0)], members=[Member("p", "old:1")]),
        change(2, topics=[moved], gateways=[gateway(0, 9999)], members=[Member("p", "new:1")]),
    )
    assert view.topics == (moved,)
    assert view.gateway(0) == gateway(0, 9999)
    assert view.member("p") == Member("p", "new:1")


def test_a_topic_recreated_in_one_change_has_only_its_new_id():
    old, new = topic("t", 1), topic("t", 2)
    for second in (
        change(2, topics=[new], deleted_topics=[old.topic_id]),
        change(2, topics=[new]),
    ):
        view = view_of(change(1, topics=[old]), second)
        assert view.topic("t") is new
        assert view.topic_by_id(old.topic_id) is None
        assert view.topics == (new,)


def test_a_late_deletion_of_an_old_topic_keeps_the_new_one_of_that_name():
    old, new = topic("t", 1), topic("t", 2)
    view = view_of(change(1, topics=[old]), change(2, topics=[new]))
    view.apply(change(3, deleted_topics=[old.topic_id]))
    assert view.topic("t") is new


def test_a_snapshot_replaces_everything():
    view = view_of(
        change(
            5,
            topics=[topic("t", 1)],
            gateways=[gateway(1)],
            members=[Member("p", "a:1")],
            broker_configs={"num.partitions": "3"},
        ),
        change(2, is_snapshot=True),
    )
    assert view.revision == 2
    assert (view.topics, view.gateways, view.members) == ((), (), ())
    assert view.topic_by_id(bytes([1]) * 16) is None
    assert dict(view.broker_configs) == {}


def test_broker_configs_stay_until_a_change_brings_others():
    view = view_of(change(1, broker_configs={"a": "1"}), change(2, topics=[topic("t", 1)]))
    assert dict(view.broker_configs) == {"a": "1"}
    view.apply(change(3, broker_configs={}))
    assert dict(view.broker_configs) == {}


def test_returned_values_do_not_change_afterwards():
    view = view_of(change(1, topics=[topic("a", 1)], broker_configs={"a": "1"}))
    topics, configs = view.topics, view.broker_configs
    view.apply(change(2, topics=[topic("b", 2)], broker_configs={"a": "2"}))
    assert [entry.name for entry in topics] == ["a"]
    assert dict(configs) == {"a": "1"}


def test_a_placement_change_keeps_the_rest_of_its_topic():
    before = topic("t", 1, partitions=3)
    first, last = Placement("p-1", 1), Placement("p-2", 5)
    view = view_of(
        change(1, topics=[before, topic("u", 2)]),
        change(
            2,
            placements=[
                PlacementChange(before.topic_id, 2, last),
                PlacementChange(before.topic_id, 0, first),
            ],
        ),
    )
    assert view.topic("t").partitions == (first, before.partitions[1], last)
    assert view.placement(before.topic_id, 2) == last
    assert view.topics == (view.topic("t"), topic("u", 2))
    assert view.topic_by_id(before.topic_id) is view.topic("t")
    assert before.partitions == (Placement("partition-0", 0),) * 3


def test_placements_are_applied_after_the_topics_of_their_change():
    t = topic("t", 1)
    moved = PlacementChange(t.topic_id, 0, Placement("p-1", 1))
    assert view_of(change(1, topics=[t], placements=[moved])).topic("t").partitions == (
        moved.placement,
    )


def test_moves_are_found_by_id_and_by_partition_and_listed_oldest_first():
    view = view_of(change(1, moves=[move(9, 1), move(3, 2)]))
    assert view.moves == (move(3, 2), move(9, 1))
    assert view.move(9) == view.move_of(bytes([1]) * 16, 1) == move(9, 1)
    assert view.move(4) is None
    assert view.move_of(bytes([1]) * 16, 0) is None


def test_a_move_changes_its_phase_and_ends():
    view = view_of(change(1, moves=[move(9)]), change(2, moves=[move(9, phase=MovePhase.FENCE)]))
    assert view.moves == (move(9, phase=MovePhase.FENCE),)
    view.apply(change(3, ended_moves=[9, 77]))
    assert view.moves == ()
    assert view.move_of(bytes([1]) * 16, 0) is None


def test_a_partition_may_end_one_move_and_begin_another_in_one_change():
    view = view_of(change(1, moves=[move(9)]), change(2, moves=[move(10)], ended_moves=[9]))
    assert view.move_of(bytes([1]) * 16, 0) == move(10)
    assert view.moves == (move(10),)


def test_a_snapshot_without_moves_removes_them():
    view = view_of(change(1, moves=[move(9)]), change(2, is_snapshot=True))
    assert view.moves == ()
    assert view.move_of(bytes([1]) * 16, 0) is None


def test_a_snapshot_gives_an_equal_view_after_any_changes():
    rng = random.Random(7)
    view = ClusterView()
    view.apply(change(0, is_snapshot=True, broker_configs={"a": "1"}))
    for revision in range(1, 300):
        number = rng.randrange(15)
        # An id belongs to one topic only; each name has three topics over time.
        name = f"t{number % 5}"
        view.apply(
            rng.choice(
                [
                    change(revision, topics=[topic(name, number)]),
                    change(revision, deleted_topics=[bytes([number]) * 16]),
                    change(revision, gateways=[gateway(number)]),
                    change(revision, removed_gateways=[number]),
                    change(revision, members=[Member(name, f"host:{number}")]),
                    change(revision, removed_members=[name]),
                    change(revision, moves=[move(number, number)]),
                    change(revision, ended_moves=[number]),
                ]
            )
        )
        copy = view_of(view.snapshot())
        assert copy.snapshot() == view.snapshot()
        for listed in view.topics:
            assert view.topic_by_id(listed.topic_id) is view.topic(listed.name) is listed


def test_every_change_increments_the_version():
    view = ClusterView()
    versions = [view.version]
    # A snapshot of the same revision counts too: it may come from another metadata service.
    for cluster_change in (change(1, is_snapshot=True), change(2), change(2, is_snapshot=True)):
        view.apply(cluster_change)
        versions.append(view.version)
    assert len(set(versions)) == 4


def test_a_deleted_topic_differs_from_an_unknown_one():
    first, second, third = (number.to_bytes(16, "big") for number in range(3))
    view = ClusterView()
    view.apply(ClusterChange(1, "c", is_snapshot=True, deleted_topics=[first]))
    view.apply(ClusterChange(2, "c", deleted_topics=[second]))
    assert [view.was_deleted(topic_id) for topic_id in (first, second, third)] == [
        True,
        True,
        False,
    ]
    copy = ClusterView()
    copy.apply(view.snapshot())
    assert [copy.was_deleted(topic_id) for topic_id in (first, second, third)] == [
        True,
        True,
        False,
    ]
    # A snapshot of a service without deleted topics replaces them too.
    copy.apply(ClusterChange(3, "c", is_snapshot=True))
    assert not copy.was_deleted(first)


def test_only_the_last_deletions_are_kept():
    view = ClusterView()
    deleted = [number.to_bytes(16, "big") for number in range(DELETED_TOPICS_MAX + 1)]
    view.apply(ClusterChange(1, "c", deleted_topics=deleted))
    assert not view.was_deleted(deleted[0])
    assert view.was_deleted(deleted[1])
    assert len(view.snapshot().deleted_topics) == DELETED_TOPICS_MAX
