from hypothesis import given
from hypothesis import strategies as st

from common.cluster.hash_circle import POINTS, HashCircle, position_of

TOPIC = bytes(range(16))
PLACES = st.integers(0, 2**64 - 1)

#: Many members: a walk meets many points before one of few is reached.
MANY = HashCircle([f"partition-{number}" for number in range(200)])
FEW = HashCircle([f"partition-{number}" for number in range(5)])


def test_positions_are_the_same_in_every_release():
    # Fixed: with other values every partition would move.
    assert position_of((TOPIC, 0)) == 0xB790BB34B31699A4
    assert position_of((TOPIC, 1)) == 0x0DFA640EC4BB47F0
    assert position_of((TOPIC, 2**31 - 1)) == 0x6352C5AC9817F1FF
    assert position_of((bytes(16), 0)) != position_of((TOPIC, 0))


def _told_by_the_points(circle, place, among):
    """Every point, in the order of the walk."""
    points = [(point, who) for who, own in enumerate(circle._points_of) for point in own]
    in_order = sorted(points, key=lambda one: ((one[0] - place) % 2**64, one[1]))
    return next((who for _, who in in_order if who in among), None)


@given(
    place=PLACES,
    among=st.sets(st.integers(0, 199), max_size=30),
    without=st.sets(st.integers(0, 199)),
)
def test_a_walk_ends_at_the_first_requested_member(place, among, without):
    expected = _told_by_the_points(MANY, place, among - without)
    assert MANY.first(place, among, without) == expected


def test_a_walk_goes_round_the_circle():
    after_all = 2**64 - 1
    assert MANY.first(after_all, set(range(200))) == MANY.first(0, set(range(200)))


def test_a_walk_without_requested_members_finds_none():
    assert MANY.first(0, set()) is None
    assert MANY.first(0, set(range(200)), without=set(range(200))) is None


@given(place=PLACES)
def test_is_before_agrees_with_a_walk_over_two_members(place):
    for other in range(1, 5):
        assert FEW.is_before(place, 0, other) == (FEW.first(place, {0, other}) == 0)


def test_each_member_has_its_share_of_the_circle():
    places = [position_of((TOPIC, partition)) for partition in range(5_000)]
    members = set(range(5))
    counts = [0] * 5
    for place in places:
        counts[FEW.first(place, members)] += 1
    # A share of 20 % within four of the deviations that POINTS says (1 / sqrt(128) = 9 %).
    assert POINTS == 128
    assert all(1_000 * 0.64 < count < 1_000 * 1.36 for count in counts)
