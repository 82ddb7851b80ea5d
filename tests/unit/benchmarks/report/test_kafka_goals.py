import pytest

from benchmarks.report import results
from benchmarks.report.kafka_goals import KAFKA_GOALS, KafkaGoal, Outcome, kafka_of
from benchmarks.report.results import KAFKA, KAFKA_FLUSH, STANDALONE, THREE_PROCESSES, Key, Results
from benchmarks.throughput import throughput
from benchmarks.throughput.jobs import Plan, chosen_jobs

GOAL = KafkaGoal("produce", STANDALONE, results.REQUESTS, 1.0, ("a", "b", "c"))


def _found(case, metric, ringlog, kafka, peer=KAFKA):
    found = Results()
    for subject, values in ((STANDALONE, ringlog), (peer, kafka)):
        for value in values:
            found.add(case, subject, {metric: value})
    return found


def test_goal_compares_values_of_the_same_round():
    found = _found("a", results.REQUESTS, [10, 40, 90], [20, 50, 90])
    (outcome,) = GOAL.outcomes(found)
    assert outcome == Outcome(Key("a", STANDALONE, results.REQUESTS), KAFKA, 0.8, 1.0)


def test_goal_has_no_outcome_for_cases_that_only_one_side_ran():
    found = Results()
    found.add("a", STANDALONE, {results.REQUESTS: 1})
    found.add("b", KAFKA, {results.REQUESTS: 1})
    assert GOAL.outcomes(found) == []


def test_case_is_compared_with_the_kafka_that_ran_it():
    found = _found("a", results.REQUESTS, [1], [2], peer=KAFKA_FLUSH)
    assert kafka_of(found, "a", results.REQUESTS) == KAFKA_FLUSH
    assert kafka_of(found, "b", results.REQUESTS) is None


@pytest.mark.parametrize(
    ("metric", "ratio", "is_reached", "score"),
    [
        (results.REQUESTS, 1.0, True, 2.0),
        (results.REQUESTS, 0.5, True, 1.0),
        (results.REQUESTS, 0.4, False, 0.8),
        (results.P50, 0.5, True, 1.0),
        (results.P50, 0.25, True, 2.0),
        (results.P99, 1.0, False, 0.5),
    ],
)
def test_outcome_is_reached_from_the_target_on(metric, ratio, is_reached, score):
    outcome = Outcome(Key("a", STANDALONE, metric), KAFKA, ratio, 0.5)
    assert outcome.is_reached is is_reached
    assert outcome.score == pytest.approx(score)


def test_goals_of_standalone_cover_every_case_that_is_measured():
    measured = {case for job in chosen_jobs(Plan(_PARTS)) for case in job.cases}
    covered = {case for goal in KAFKA_GOALS if goal.subject == STANDALONE for case in goal.cases}
    assert covered == measured


def test_goals_of_three_processes_cover_every_case_of_batches():
    covered = {
        case for goal in KAFKA_GOALS if goal.subject == THREE_PROCESSES for case in goal.cases
    }
    batches = [case for case in throughput.PRODUCE_CASES if case.records > 1]
    assert covered == {case.with_acks(acks) for case in batches for acks in throughput.EVERY_ACKS}


_PARTS = frozenset({"produce", "fetch", "latency"})
