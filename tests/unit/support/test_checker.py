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
CORRECT = Evidence(
    acknowledged=LOG, log=LOG, bounds={0: (0, 3), 1: (0, 1)}, followed={"follower": LOG}
)
OTHER = Stored(1, 0, value_of("c", 1))


def test_a_correct_log_has_no_problems():
    assert problems(CORRECT) == []


def test_values_have_key_and_sequence():
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
def test_checker_reports_each_kind_of_fault(change, kind):
    assert any(kind in problem for problem in problems(replace(CORRECT, **change)))


def test_an_unknown_outcome_may_be_stored_once_or_not():
    pending = Stored(1, 1, value_of("c", 1))
    evidence = replace(CORRECT, unknown=frozenset([pending.value]))
    assert problems(evidence) == []
    log = [*LOG, pending]
    stored = replace(evidence, log=log, followed={"f": log}, bounds={0: (0, 3), 1: (0, 2)})
    assert problems(stored) == []


def test_a_missing_log_is_reported_briefly():
    stored = [Stored(0, n, value_of("a", n)) for n in range(100)]
    reported = problems(Evidence(acknowledged=stored, log=[], bounds={0: (0, 100)}))
    assert len(reported) < 10
    assert "and 95 more" in " ".join(reported)
