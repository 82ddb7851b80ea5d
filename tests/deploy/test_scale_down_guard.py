"""Permission to scale partition services down: only after they were drained for this very step."""

import pytest

from tests.deploy.admission import Guard


@pytest.fixture(scope="module")
def guard():
    return Guard()


@pytest.mark.parametrize(("before", "after"), [(3, 3), (3, 4), (0, 3), (1, 10)])
def test_the_same_number_or_more_is_nobodys_business(guard, before, after):
    assert guard.scale(before, after) is None
    assert guard.update(before, after) is None


@pytest.mark.parametrize(("before", "after"), [(3, 2), (3, 1), (10, 9)])
def test_fewer_are_refused_and_the_answer_says_what_to_do(guard, before, after):
    for refusal in (guard.scale(before, after), guard.update(before, after)):
        assert f"deploy/k8s/scale-down.sh ringlog {after}" in refusal
        assert f"partition-{after} on" in refusal


@pytest.mark.parametrize("before", [3, 1])
def test_none_at_all_are_refused_and_the_answer_leads_to_how_all_are_stopped(guard, before):
    """Not to scale-down.sh, which keeps at least one: the partitions must have an owner."""
    for refusal in (guard.scale(before, 0), guard.update(before, 0)):
        assert "docs/operations.md" in refusal
        assert "scale-down.sh" not in refusal


def test_fewer_are_allowed_where_this_very_step_was_drained_for(guard):
    assert guard.update(3, 2, {"ringlog/drained": "generation=7 replicas=2"}) is None


@pytest.mark.parametrize(
    "said",
    [
        "generation=6 replicas=2",  # of a change before
        "generation=7 replicas=3",  # of another number
        "generation=7 replicas=1",
        "true",
        "",
    ],
)
def test_an_annotation_for_another_step_is_refused(guard, said):
    assert guard.update(3, 2, {"ringlog/drained": said})


def test_other_annotations_say_nothing(guard):
    assert guard.update(3, 2, {"kubectl.kubernetes.io/restartedAt": "now"})


def test_a_foreign_stateful_set_is_not_guarded(guard):
    assert guard.update(3, 2, labels={"matchLabels": {"app.kubernetes.io/name": "db"}}) is None
    assert guard.update(3, 2, labels={"matchLabels": {"app": "db"}}) is None
    expression = {"key": "app", "operator": "Exists"}
    assert guard.update(3, 2, labels={"matchExpressions": [expression]}) is None
    assert guard.scale(3, 2, selector="app.kubernetes.io/name=db") is None
    assert guard.scale(3, 2, selector="") is None
