from common.cluster.ring import HashRing
from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Placement, Topic
from common.ports.moves import Move, MovePhase
from metadata_svc.moves.plan import (
    NO_ROOM_PAUSE_S,
    MoveConstraints,
    MoveLimits,
    MovePlan,
    PlannedMove,
    moves_to,
    planned_moves,
)

TOPIC_ID = bytes(16)
ALL = {"a", "b", "c", "d"}
UNLIMITED = MoveLimits(100, 100)


def view_of(owners, moves=()):
    view = ClusterView()
    topic = Topic(TOPIC_ID, "t", tuple(Placement(owner, 0) for owner in owners))
    view.apply(ClusterChange(0, "c", is_snapshot=True, topics=[topic], moves=moves))
    return view


def planned_move(partition, source="a", target="b"):
    return PlannedMove(TOPIC_ID, partition, source, target)


def move(partition, source="a", target="b", phase=MovePhase.PREPARE):
    return Move(partition, TOPIC_ID, partition, source, target, 0, phase)


def take(plan, view, limits=UNLIMITED, *, alive=ALL, rates=None, now=0.0, **more):
    """Takes moves from `plan`; returns their partitions. `more` goes into the constraints."""
    rate_of, sizes = (rates or {}).get, more.pop("sizes", {})
    constraints = MoveConstraints(alive, size_of=lambda key: sizes.get(key[1], 0), **more)
    moves = plan.pop_ready(
        view, constraints, limits, load=lambda key: (rate_of(key[1], 0),), now=now
    )
    return [move.partition for move in moves]


def test_a_partition_that_the_ring_places_elsewhere_is_planned_with_its_source():
    moves = planned_moves(view_of("aaaa"), HashRing(["a", "b"]))
    assert len(moves) == 2
    assert {(move.source, move.target) for move in moves} == {("a", "b")}


def test_a_partition_at_its_place_in_the_ring_is_not_planned():
    assert planned_moves(view_of("abab"), HashRing(["a", "b"])) == []


def test_moves_in_progress_count_as_done():
    in_progress = [move(0), move(1)]
    assert planned_moves(view_of("aaaa", in_progress), HashRing(["a", "b"])) == []


def test_a_move_to_a_member_outside_the_ring_counts_as_not_started():
    moves = planned_moves(view_of("aaaa", [move(0, target="c")]), HashRing(["a", "b"]))
    assert {(move.source, move.target) for move in moves} == {("a", "b")}


def test_moves_begin_up_to_the_limits_including_those_in_progress():
    plan = MovePlan(planned_move(number) for number in range(10))
    view = view_of("a" * 12, [move(10), move(11, phase=MovePhase.COMMIT)])
    assert len(take(plan, view, MoveLimits(4, 100))) == 3
    assert len(plan) == 7


def test_no_member_has_more_moves_than_its_limit():
    plan = MovePlan(
        [
            planned_move(0),
            planned_move(1),
            planned_move(2),
            planned_move(3, "c", "d"),
            planned_move(4, "c", "b"),
        ]
    )
    assert take(plan, view_of("aaacc"), MoveLimits(10, 2)) == [4, 3, 0]
    # a and b have one move each in progress: one more fits between them.
    plan = MovePlan([planned_move(0), planned_move(1)])
    assert len(take(plan, view_of("aaa", [move(2)]), MoveLimits(10, 2))) == 1


def test_moves_of_members_that_are_down_do_not_count_against_the_limits():
    in_progress = [move(4), move(5, "c", "b"), move(6, "d", "b")]
    view = view_of("aaaaacd", in_progress)
    for alive, count in ((ALL, 0), ({"a", "b", "c"}, 0), ({"a", "b"}, 1)):
        plan = MovePlan(planned_move(number) for number in range(4))
        assert len(take(plan, view, MoveLimits(100, 2), alive=alive)) == count
    plan = MovePlan([planned_move(0), planned_move(1)])
    assert len(take(plan, view, MoveLimits(2, 100), alive={"a", "b"})) == 1


def test_moves_of_members_that_are_down_do_not_start():
    plan = MovePlan([planned_move(0), planned_move(1, "c", "d"), planned_move(2, "a", "c")])
    assert take(plan, view_of("aca"), alive={"a", "c"}) == [2]
    assert take(plan, view_of("aca"), alive=ALL) == [1, 0]


def test_the_busiest_partition_moves_first():
    plan = MovePlan(
        [planned_move(0), planned_move(1), planned_move(2, "c", "d"), planned_move(3, "c", "d")]
    )
    rates = {0: 5, 1: 9, 2: 7, 3: 1}
    plan.sort(lambda key: (rates[key[1]],))
    assert take(plan, view_of("aacc"), rates=rates) == [1, 2, 0, 3]


def test_a_planned_move_that_is_stale_is_dropped():
    plan = MovePlan([planned_move(0), planned_move(1), planned_move(2), planned_move(7)])
    # Partition 0 has another owner, 1 is moving, 7 does not exist.
    assert take(plan, view_of("caa", [move(1)])) == [2]
    assert len(plan) == 0


def test_a_postponed_move_is_due_again_at_its_time():
    plan = MovePlan()
    plan.postpone(planned_move(0), until=10.0)
    plan.postpone(planned_move(1), until=5.0)
    assert (len(plan), plan.next_time) == (2, 5.0)
    assert take(plan, view_of("aa"), now=4.9) == []
    assert take(plan, view_of("aa"), now=5.0) == [1]
    assert plan.next_time == 10.0
    assert [move.partition for move in plan] == [0]


def test_deleted_topics_are_forgotten():
    other = PlannedMove(bytes([1]) * 16, 0, "a", "b")
    plan = MovePlan([planned_move(0), other])
    plan.postpone(planned_move(1), until=10.0)
    plan.forget_topics([TOPIC_ID])
    assert list(plan) == [other]


def test_moves_to_a_member_do_not_include_committed_ones():
    moves = [move(0), move(1, target="c"), move(2, phase=MovePhase.COMMIT)]
    assert moves_to(view_of("aab", moves), "b") == [moves[0]]


def test_a_move_without_room_on_its_target_does_not_block_others():
    plan = MovePlan([planned_move(0), planned_move(1), planned_move(2), planned_move(3, "a", "c")])
    view = view_of("aaaa")
    constraints = {"sizes": {0: 100, 1: 600, 2: 500, 3: 1000}, "room": {"b": 700}}
    # The room of c is unknown.
    assert sorted(take(plan, view, rates={1: 9}, **constraints)) == [0, 1, 3]
    assert len(plan) == 1
    assert take(plan, view, now=NO_ROOM_PAUSE_S - 1, **constraints) == []
    constraints["room"] = {"b": 1200}
    assert take(plan, view, now=NO_ROOM_PAUSE_S - 1, **constraints) == []
    assert take(plan, view, now=NO_ROOM_PAUSE_S, **constraints) == [2]


def test_a_stuck_move_does_not_count_against_the_limits():
    view = view_of("aaaa", [move(0), move(1)])
    limits = MoveLimits(2, 2)
    assert take(MovePlan([planned_move(2), planned_move(3)]), view, limits) == []
    assert take(MovePlan([planned_move(2), planned_move(3)]), view, limits, stuck={0}) == [2]
    assert len(take(MovePlan([planned_move(2), planned_move(3)]), view, limits, stuck={0, 1})) == 2


def test_partitions_move_away_from_an_unwritable_member_and_not_to_it():
    plan = MovePlan(
        [planned_move(0, "a", "b"), planned_move(1, "b", "a"), planned_move(2, "a", "c")]
    )
    view = view_of("aba")
    assert sorted(take(plan, view, unwritable={"b"})) == [1, 2]
    assert take(plan, view) == [0]
    # A move to an unwritable member does not count against the limits.
    moving = view_of("aaa", [move(0)])
    assert take(MovePlan([planned_move(1)]), moving, MoveLimits(1, 1)) == []
    assert take(
        MovePlan([planned_move(1, "a", "c")]), moving, MoveLimits(1, 1), unwritable={"b"}
    ) == [1]
