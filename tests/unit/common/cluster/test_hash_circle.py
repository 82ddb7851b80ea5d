from hypothesis import given
from hypothesis import strategies as st

from common.cluster.hash_circle import POINTS, HashCircle, position_of

TOPIC = bytes(range(16))
POSITIONS = st.integers(0, 2**64 - 1)

#: Number of members with which a walk passes many points before it reaches one of a few.
MANY = HashCircle([f"partition-{number}" for number in range(200)])
FEW = HashCircle([f"partition-{number}" for number in range(5)])


def test_positions_are_the_same_in_every_release():
    # Fixed: with other values every partition would move.
    assert position_of((TOPIC, 0)) == 0xB790BB34B31699A4
    assert position_of((TOPIC, 1)) == 0x0DFA640EC4BB47F0
    assert position_of((TOPIC, 2**31 - 1)) == 0x6352C5AC9817F1FF
    assert position_of((bytes(16), 0)) != position_of((TOPIC, 0))


def _first_by_walking(circle, position, among):
    """Returns the first of the members `among`, by a walk over every point."""
    points = [(point, member) for member, own in enumerate(circle._points_of) for point in own]
    in_order = sorted(points, key=lambda entry: ((entry[0] - position) % 2**64, entry[1]))
    return next((member for _, member in in_order if member in among), None)


@given(
    position=POSITIONS,
    among=st.sets(st.integers(0, 199), max_size=30),
    without=st.sets(st.integers(0, 199)),
)
def test_a_walk_ends_at_the_first_requested_member(position, among, without):
    expected = _first_by_walking(MANY, position, among - without)
    assert MANY.first(position, among, without) == expected


def test_a_walk_continues_at_the_start_of_the_circle():
    last_position = 2**64 - 1
    assert MANY.first(last_position, set(range(200))) == MANY.first(0, set(range(200)))


def test_a_walk_without_requested_members_finds_none():
    assert MANY.first(0, set()) is None
    assert MANY.first(0, set(range(200)), without=set(range(200))) is None


@given(position=POSITIONS)
def test_is_before_agrees_with_a_walk_over_two_members(position):
    for other in range(1, 5):
        assert FEW.is_before(position, 0, other) == (FEW.first(position, {0, other}) == 0)


def test_each_member_has_its_share_of_the_circle():
    positions = [position_of((TOPIC, partition)) for partition in range(5_000)]
    members = set(range(5))
    counts = [0] * 5
    for position in positions:
        counts[FEW.first(position, members)] += 1
    # A share of 20 %, within four standard deviations (1 / sqrt(POINTS) = 9 %).
    assert POINTS == 128
    assert all(1_000 * 0.64 < count < 1_000 * 1.36 for count in counts)
