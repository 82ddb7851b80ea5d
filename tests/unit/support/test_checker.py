"""The checker finds each kind of fault, and none in a correct log."""

from dataclasses import replace

import pytest

from tests.support.clients.checker import Evidence, Stored, key_and_sequence, problems, value_of

LOG = [
    Stored(0, 0, value_of("a", 0)),
    Stored(0, 1, value_of("b", 0)),
    Stored(0, 2, value_of("a", 1)),
    Stored(1, 0, value_of("c", 0)),
]
WELL = Evidence(
    acknowledged=LOG, log=LOG, bounds={0: (0, 3), 1: (0, 1)}, followed={"follower": LOG}
)
OTHER = Stored(1, 0, value_of("c", 1))


def test_a_log_that_is_well_has_no_problems():
    assert problems(WELL) == []


def test_values_tell_key_and_sequence():
    assert key_and_sequence(value_of("p:0/1", 17)) == ("p:0/1", 17)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"log": LOG[:2] + LOG[3:]}, "lost"),
        ({"log": [*LOG[:3], OTHER]}, "lost"),
        ({"log": [*LOG, Stored(1, 1, value_of("c", 0))]}, "stored twice"),
        ({"log": [*LOG, Stored(1, 1, value_of("c", 1))]}, "without being acknowledged"),
        ({"log": [*LOG, Stored(1, 1, value_of("a", 2))]}, "out of order"),
        ({"log": [*LOG, Stored(0, 3, value_of("a", 0))]}, "out of order"),
        ({"bounds": {0: (0, 4), 1: (0, 1)}}, "not dense"),
        ({"bounds": {0: (0, 3), 1: (0, 1), 2: (0, 1)}}, "not dense"),
        ({"followed": {"follower": [*LOG[:3], OTHER]}}, "read differently"),
        ({"followed": {"follower": LOG[:3]}}, "not at the end"),
        ({"followed": {"follower": [LOG[0], *LOG]}}, "not at the end"),
    ],
)
def test_it_notices(change, kind):
    assert any(kind in found for found in problems(replace(WELL, **change)))


def test_an_unknown_outcome_may_be_stored_once_or_not():
    maybe = Stored(1, 1, value_of("c", 1))
    unsure = replace(WELL, unknown=frozenset([maybe.value]))
    assert problems(unsure) == []
    log = [*LOG, maybe]
    stored = replace(unsure, log=log, followed={"f": log}, bounds={0: (0, 3), 1: (0, 2)})
    assert problems(stored) == []


def test_a_missing_log_is_reported_briefly():
    many = [Stored(0, n, value_of("a", n)) for n in range(100)]
    found = problems(Evidence(acknowledged=many, log=[], bounds={0: (0, 100)}))
    assert len(found) < 10
    assert "and 95 more" in " ".join(found)
