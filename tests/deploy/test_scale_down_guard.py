"""The guard allows scaling partition services down only after a drain for exactly this step."""

import pytest

from tests.deploy.admission import Guard


@pytest.fixture(scope="module")
def guard():
    return Guard()


@pytest.mark.parametrize(("before", "after"), [(3, 3), (3, 4), (0, 3), (1, 10)])
def test_guard_allows_the_same_number_of_replicas_or_more(guard, before, after):
    assert guard.scale(before, after) is None
    assert guard.update(before, after) is None


@pytest.mark.parametrize(("before", "after"), [(3, 2), (3, 1), (10, 9)])
def test_guard_refuses_fewer_replicas_and_names_the_script(guard, before, after):
    for refusal in (guard.scale(before, after), guard.update(before, after)):
        assert f"deploy/k8s/scale-down.sh ringlog {after}" in refusal
        assert f"partition-{after} on" in refusal


@pytest.mark.parametrize("before", [3, 1])
def test_guard_refuses_zero_replicas_and_refers_to_operations(guard, before):
    """The refusal does not name scale-down.sh, which keeps one replica to own the partitions."""
    for refusal in (guard.scale(before, 0), guard.update(before, 0)):
        assert "docs/operations.md" in refusal
        assert "scale-down.sh" not in refusal


def test_guard_allows_fewer_replicas_after_a_drain_for_this_step(guard):
    assert guard.update(3, 2, {"ringlog/drained": "generation=7 replicas=2"}) is None


@pytest.mark.parametrize(
    "annotation",
    [
        "generation=6 replicas=2",  # for an earlier generation
        "generation=7 replicas=3",  # for another number
        "generation=7 replicas=1",
        "true",
        "",
    ],
)
def test_guard_refuses_an_annotation_for_another_step(guard, annotation):
    assert guard.update(3, 2, {"ringlog/drained": annotation})


def test_guard_ignores_other_annotations(guard):
    assert guard.update(3, 2, {"kubectl.kubernetes.io/restartedAt": "now"})


def test_guard_ignores_other_stateful_sets(guard):
    assert guard.update(3, 2, labels={"matchLabels": {"app.kubernetes.io/name": "db"}}) is None
    assert guard.update(3, 2, labels={"matchLabels": {"app": "db"}}) is None
    expression = {"key": "app", "operator": "Exists"}
    assert guard.update(3, 2, labels={"matchExpressions": [expression]}) is None
    assert guard.scale(3, 2, selector="app.kubernetes.io/name=db") is None
    assert guard.scale(3, 2, selector="") is None
