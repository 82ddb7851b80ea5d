"""Parts of the report about Apache Kafka: columns beside other columns, and the goals."""

from collections.abc import Iterator

from benchmarks.report import markdown, results
from benchmarks.report.goals import target_in_words
from benchmarks.report.kafka_goals import KAFKA_GOALS, KafkaGoal, Outcome, kafka_of
from benchmarks.report.markdown import MISSING, number
from benchmarks.report.results import KAFKAS, Key, Results


def header(found: Results, *metrics: str) -> tuple[str, ...]:
    """Titles of Kafka's value and of the ratio for each metric; none if Kafka was not measured."""
    if not found.has_subject(*KAFKAS):
        return ()
    pairs = ((f"Kafka {_short(metric)}", "ratio") for metric in metrics)
    return tuple(title for pair in pairs for title in pair)


def cells(found: Results, case: str, subject: str, *metrics: str) -> tuple[str, ...]:
    """Row of `header`."""
    if not found.has_subject(*KAFKAS):
        return ()
    pairs = (_pair(found, Key(case, subject, metric)) for metric in metrics)
    return tuple(number(value) for pair in pairs for value in pair)


def _pair(found: Results, measured: Key) -> tuple[float | None, float | None]:
    """Kafka's median, and the ratio to it."""
    kafka = kafka_of(found, measured.case, measured.metric)
    if kafka is None:
        return None, None
    return found.median(measured.case, kafka, measured.metric), found.ratio(measured, kafka)


def _short(metric: str) -> str:
    return metric.removeprefix("broker ")


def goals(found: Results) -> str:
    """Table of the goals: how many cases reach each, and the case that is furthest from it."""
    rows = [_goal(goal, outcomes) for goal in KAFKA_GOALS if (outcomes := goal.outcomes(found))]
    titles = ("cases", "deployment", "unit", "goal", "reached", "worst ratio", "worst case")
    return markdown.table(titles, rows) if rows else ""


def _goal(goal: KafkaGoal, outcomes: list[Outcome]) -> tuple[str, ...]:
    count = sum(outcome.is_reached for outcome in outcomes)
    worst = min(outcomes, key=lambda outcome: outcome.score)
    reached = "yes" if count == len(outcomes) else f"no, only {count} of {len(outcomes)} cases"
    target = target_in_words(goal.target, goal.metric)
    return (
        *(goal.name, goal.subject, goal.metric, target),
        *(reached, number(worst.ratio), worst.measured.case),
    )


def missed(found: Results) -> str:
    """Table of all cases that miss a goal, with the CPU time that they and Kafka take."""
    rows = [
        _missed(found, outcome)
        for goal in KAFKA_GOALS
        for outcome in goal.outcomes(found)
        if not outcome.is_reached
    ]
    titles = (
        *("case", "deployment", "unit", "goal", "ratio", "ringlog", "Kafka"),
        *(results.CPU, "Kafka CPU us/request", "CPU by process"),
    )
    return markdown.table(titles, rows) if rows else ""


def _missed(found: Results, outcome: Outcome) -> tuple[str, ...]:
    case, subject, metric = outcome.measured
    return (
        *(case, subject, metric, target_in_words(outcome.target, metric), number(outcome.ratio)),
        *(number(found.median(case, who, metric)) for who in (subject, outcome.kafka)),
        *(number(found.median(case, who, results.CPU)) for who in (subject, outcome.kafka)),
        ", ".join(_cpu_by_process(found, case, subject)) or MISSING,
    )


def _cpu_by_process(found: Results, case: str, subject: str) -> Iterator[str]:
    for metric in found.metrics(case, subject):
        process = metric.removesuffix(f" {results.CPU}")
        if process != metric:
            yield f"{process} {number(found.median(case, subject, metric))}"
