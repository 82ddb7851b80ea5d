"""The measured numbers as Markdown: for the terminal, and for docs/performance.md."""

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from benchmarks.report import goals, kafka_tables, markdown, results
from benchmarks.report.goals import Comparison, Goal
from benchmarks.report.kafka_goals import kafka_of
from benchmarks.report.markdown import MISSING, number
from benchmarks.report.results import KAFKAS, RAW, STANDALONE, THREE_PROCESSES, Key, Results
from benchmarks.throughput import startup

#: Width of paragraphs.
_COLUMNS: Final = 118
_SUBJECTS = (STANDALONE, THREE_PROCESSES)
_STARTUP_UNITS = (results.SECONDS, startup.CPU_SECONDS, startup.SHARE, startup.RSS, startup.PSS)
_BEGIN, _END = "<!-- written by: make bench -->\n", "<!-- end -->\n"


def render(found: Results, machine: Mapping[str, str], how: str) -> str:
    """All sections that have numbers. `how` says how the run was made, in paragraphs."""
    described = "".join(f"- {name}: {words}\n" for name, words in machine.items())
    paragraphs = "\n\n".join(textwrap.fill(words, _COLUMNS) for words in how.split("\n\n"))
    parts = [f"Measured on this machine:\n\n{described}\n{paragraphs}\n"]
    for title, section in (
        ("Goals", _goals(found)),
        ("Goals beside Apache Kafka", kafka_tables.goals(found)),
        ("Cases that miss a goal beside Apache Kafka", kafka_tables.missed(found)),
        ("Produce", _produce(found)),
        ("Fetch", _fetch(found)),
        ("Latency at 50 records/s", _latency(found)),
        ("Start and memory", _startup(found)),
        ("Limits of the machine", _limits(found)),
        ("Broker over limit", _comparisons(found)),
    ):
        if section:
            parts.append(f"### {title}\n\n{section}")
    return "\n".join(parts)


def replace_section(page: Path, rendered: str) -> None:
    """Puts `rendered` between the two marks of `page`, which stay.

    Raises:
        ValueError: the page has no marks.
    """
    before, begin, rest = page.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{page} has no lines {_BEGIN.strip()} and {_END.strip()}")
    page.write_text(f"{before}{_BEGIN}\n{rendered}\n{_END}{after}")


def _goals(found: Results) -> str:
    rows = [row for goal in goals.GOALS for row in _goal(found, goal)]
    header = (
        *("goal", "deployment", "unit", "goal", "measured", "reached"),
        *("baseline here", "ratio to baseline", "same, acks=all", "ratio to baseline"),
    )
    return markdown.table(header, rows) if rows else ""


def _goal(found: Results, goal: Goal) -> Iterator[tuple[str, ...]]:
    value = found.median(*goal.measured)
    if value is None:
        return
    case, subject, unit = goal.measured
    synced = found.median(*goal.synced) if goal.synced else None
    reached = "yes" if goal.is_reached(value) else f"no, ratio {value / goal.target:.2f}"
    peer = number(found.median(case, goal.peer, unit))
    ratios = [
        number(found.ratio(key, goal.peer)) if key else MISSING
        for key in (goal.measured, goal.synced)
    ]
    yield (
        *(case, subject, unit, goals.target_in_words(goal.target, unit), number(value), reached),
        *(peer, ratios[0], number(synced), ratios[1]),
    )


def _produce(found: Results) -> str:
    metrics = (results.REQUESTS, results.RECORDS, results.MEGABYTES, results.CPU)
    cases = [case for case in found.cases(results.RECORDS) if "client alone" not in case]
    return _by_subject(found, cases, metrics, beside_kafka=(results.REQUESTS, results.CPU))


def _fetch(found: Results) -> str:
    cases = [case for case in found.cases(results.CPU) if case.startswith("fetch")]
    metrics = (results.MEGABYTES, results.REQUESTS, results.CPU)
    return _by_subject(found, cases, metrics, beside_kafka=(results.MEGABYTES, results.CPU))


def _latency(found: Results) -> str:
    metrics = (results.P50, results.P99)
    return _by_subject(found, found.cases(results.P99), metrics, beside_kafka=metrics)


def _by_subject(
    found: Results, cases: list[str], metrics: tuple[str, ...], *, beside_kafka: tuple[str, ...]
) -> str:
    """A row for each case and deployment, a column for each metric, and the spread of one.

    `beside_kafka` are the metrics to compare with Kafka's, if it was measured; the spread is that
    of the first.
    """
    spread_of = beside_kafka[0]
    rows = [
        (
            case,
            subject,
            *(number(found.median(case, subject, metric)) for metric in metrics),
            *kafka_tables.cells(found, case, subject, *beside_kafka),
            _spread(found, Key(case, subject, spread_of)),
        )
        for case in cases
        for subject in _SUBJECTS
        if found.median(case, subject, metrics[0]) is not None
    ]
    kafka = kafka_tables.header(found, *beside_kafka)
    header = ("case", "deployment", *metrics, *kafka, f"{spread_of}, lowest … highest")
    return markdown.table(header, rows) if rows else ""


def _spread(found: Results, key: Key) -> str:
    spread = found.spread(*key)
    return f"{number(spread[0])} … {number(spread[1])}" if spread else MISSING


def _startup(found: Results) -> str:
    rows = [
        (
            case,
            subject,
            unit,
            number(found.median(case, subject, unit)),
            *kafka_tables.cells(found, case, subject, unit),
            _spread(found, Key(case, subject, unit)),
        )
        for unit in _STARTUP_UNITS
        for case in found.cases(unit)
        for subject in (*_SUBJECTS, RAW)
        if found.median(case, subject, unit) is not None
    ]
    kafka = ("Kafka", "ratio") if kafka_tables.header(found, "") else ()
    header = ("what", "of", "unit", "median", *kafka, "lowest … highest")
    return markdown.table(header, rows) if rows else ""


def _limits(found: Results) -> str:
    rows = [
        (
            case,
            number(found.median(case, RAW, results.REQUESTS)),
            number(found.median(case, RAW, results.MEGABYTES)),
        )
        for case in found.cases(results.MEGABYTES)
        if found.median(case, RAW, results.MEGABYTES) is not None
    ]
    return markdown.table(("what", "per second", results.MEGABYTES), rows) if rows else ""


def _comparisons(found: Results) -> str:
    rows = [row for comparison in goals.COMPARISONS for row in _comparison(found, comparison)]
    kafka = ("Kafka",) if found.has_subject(*KAFKAS) else ()
    header = ("broker", "limit", "unit", *_SUBJECTS, *kafka)
    return markdown.table(header, rows) if rows else ""


def _comparison(found: Results, comparison: Comparison) -> Iterator[tuple[str, ...]]:
    case, limit_case, metric = comparison
    limit = found.median(limit_case, RAW, metric)
    values = [found.median(case, subject, metric) for subject in _SUBJECTS]
    if found.has_subject(*KAFKAS):
        kafka = kafka_of(found, case, metric)
        values.append(found.median(case, kafka, metric) if kafka else None)
    if limit and any(values):
        ratios = (number(value / limit if value else None) for value in values)
        yield case, limit_case, metric, *ratios
