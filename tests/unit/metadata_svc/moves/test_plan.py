from common.cluster.ring import HashRing
from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Placement, Topic
from common.ports.moves import Move, MovePhase
from metadata_svc.moves.plan import (
    NO_ROOM_PAUSE_S,
    MoveLimits,
    Plan,
    PlannedMove,
    Situation,
    moves_to,
    planned_moves,
)

TOPIC_ID = bytes(16)
ALL = {"a", "b", "c", "d"}
PLENTY = MoveLimits(100, 100)


def view_of(owners, moves=()):
    view = ClusterView()
    topic = Topic(TOPIC_ID, "t", tuple(Placement(owner, 0) for owner in owners))
    view.apply(ClusterChange(0, "c", is_snapshot=True, topics=[topic], moves=moves))
    return view


def planned(partition, source="a", target="b"):
    return PlannedMove(TOPIC_ID, partition, source, target)


def move(partition, source="a", target="b", phase=MovePhase.PREPARE):
    return Move(partition, TOPIC_ID, partition, source, target, 0, phase)


def taken(plan, view, limits=PLENTY, *, alive=ALL, rates=None, now=0.0, **more):
    """`more` goes into the situation, with `sizes` by partition."""
    busy, sizes = (rates or {}).get, more.pop("sizes", {})
    situation = Situation(alive, size_of=lambda key: sizes.get(key[1], 0), **more)
    chosen = plan.take(view, situation, limits, busy=lambda key: (busy(key[1], 0),), now=now)
    return [one.partition for one in chosen]


def test_a_partition_that_the_ring_places_elsewhere_is_planned_with_its_source():
    found = planned_moves(view_of("aaaa"), HashRing(["a", "b"]))
    assert len(found) == 2
    assert {(one.source, one.target) for one in found} == {("a", "b")}


def test_a_partition_at_its_place_in_the_ring_is_not_planned():
    assert planned_moves(view_of("abab"), HashRing(["a", "b"])) == []


def test_moves_under_way_count_as_done():
    on_their_way = [move(0), move(1)]
    assert planned_moves(view_of("aaaa", on_their_way), HashRing(["a", "b"])) == []


def test_a_move_to_a_member_outside_the_ring_counts_as_not_started():
    found = planned_moves(view_of("aaaa", [move(0, target="c")]), HashRing(["a", "b"]))
    assert {(one.source, one.target) for one in found} == {("a", "b")}


def test_moves_begin_up_to_the_limits_including_those_under_way():
    plan = Plan(planned(number) for number in range(10))
    view = view_of("a" * 12, [move(10), move(11, phase=MovePhase.COMMIT)])
    assert len(taken(plan, view, MoveLimits(4, 100))) == 3
    assert len(plan) == 7


def test_no_member_has_more_than_its_share_of_moves():
    plan = Plan([planned(0), planned(1), planned(2), planned(3, "c", "d"), planned(4, "c", "b")])
    assert taken(plan, view_of("aaacc"), MoveLimits(10, 2)) == [4, 3, 0]
    # a and b have one each with what is under way: there is room for one more between them.
    plan = Plan([planned(0), planned(1)])
    assert len(taken(plan, view_of("aaa", [move(2)]), MoveLimits(10, 2))) == 1


def test_moves_of_members_that_are_down_take_no_room():
    under_way = [move(4), move(5, "c", "b"), move(6, "d", "b")]
    view = view_of("aaaaacd", under_way)
    for alive, count in ((ALL, 0), ({"a", "b", "c"}, 0), ({"a", "b"}, 1)):
        plan = Plan(planned(number) for number in range(4))
        assert len(taken(plan, view, MoveLimits(100, 2), alive=alive)) == count
    plan = Plan([planned(0), planned(1)])
    assert len(taken(plan, view, MoveLimits(2, 100), alive={"a", "b"})) == 1


def test_members_that_are_down_are_passed_over():
    plan = Plan([planned(0), planned(1, "c", "d"), planned(2, "a", "c")])
    assert taken(plan, view_of("aca"), alive={"a", "c"}) == [2]
    assert taken(plan, view_of("aca"), alive=ALL) == [1, 0]


def test_the_busiest_of_all_is_first():
    plan = Plan([planned(0), planned(1), planned(2, "c", "d"), planned(3, "c", "d")])
    rates = {0: 5, 1: 9, 2: 7, 3: 1}
    plan.sort(lambda key: (rates[key[1]],))
    assert taken(plan, view_of("aacc"), rates=rates) == [1, 2, 0, 3]


def test_a_planned_move_that_is_stale_is_dropped():
    plan = Plan([planned(0), planned(1), planned(2), planned(7)])
    # 0 is another's, 1 is in a move, 7 does not exist.
    assert taken(plan, view_of("caa", [move(1)])) == [2]
    assert len(plan) == 0


def test_a_move_that_was_put_off_is_due_again_in_time():
    plan = Plan()
    plan.put_off(planned(0), until=10.0)
    plan.put_off(planned(1), until=5.0)
    assert (len(plan), plan.next_time) == (2, 5.0)
    assert taken(plan, view_of("aa"), now=4.9) == []
    assert taken(plan, view_of("aa"), now=5.0) == [1]
    assert plan.next_time == 10.0
    assert [one.partition for one in plan] == [0]


def test_deleted_topics_are_forgotten():
    other = PlannedMove(bytes([1]) * 16, 0, "a", "b")
    plan = Plan([planned(0), other])
    plan.put_off(planned(1), until=10.0)
    plan.forget_topics([TOPIC_ID])
    assert list(plan) == [other]


def test_moves_to_a_member_are_those_that_can_be_given_up():
    moves = [move(0), move(1, target="c"), move(2, phase=MovePhase.COMMIT)]
    assert moves_to(view_of("aab", moves), "b") == [moves[0]]


def test_a_move_without_room_on_its_target_does_not_block_others():
    plan = Plan([planned(0), planned(1), planned(2), planned(3, "a", "c")])
    view = view_of("aaaa")
    known = {"sizes": {0: 100, 1: 600, 2: 500, 3: 1000}, "room": {"b": 700}}
    # Of c nobody knows how much room it has.
    assert sorted(taken(plan, view, rates={1: 9}, **known)) == [0, 1, 3]
    assert len(plan) == 1
    assert taken(plan, view, now=NO_ROOM_PAUSE_S - 1, **known) == []
    known["room"] = {"b": 1200}
    assert taken(plan, view, now=NO_ROOM_PAUSE_S - 1, **known) == []
    assert taken(plan, view, now=NO_ROOM_PAUSE_S, **known) == [2]


def test_a_move_that_does_not_get_on_takes_no_place():
    view = view_of("aaaa", [move(0), move(1)])
    limits = MoveLimits(2, 2)
    assert taken(Plan([planned(2), planned(3)]), view, limits) == []
    assert taken(Plan([planned(2), planned(3)]), view, limits, stuck={0}) == [2]
    assert len(taken(Plan([planned(2), planned(3)]), view, limits, stuck={0, 1})) == 2


def test_partitions_move_away_from_a_member_that_takes_no_appends_and_not_to_it():
    plan = Plan([planned(0, "a", "b"), planned(1, "b", "a"), planned(2, "a", "c")])
    view = view_of("aba")
    assert sorted(taken(plan, view, unwritable={"b"})) == [1, 2]
    assert taken(plan, view) == [0]
    # A move that brings something to it takes no place.
    waiting = view_of("aaa", [move(0)])
    assert taken(Plan([planned(1)]), waiting, MoveLimits(1, 1)) == []
    assert taken(Plan([planned(1, "a", "c")]), waiting, MoveLimits(1, 1), unwritable={"b"}) == [1]
