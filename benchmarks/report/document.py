"""The measured numbers as Markdown: for the terminal, and for docs/performance.md."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.report import goals, markdown, results
from benchmarks.report.goals import Comparison, Goal
from benchmarks.report.markdown import MISSING, number
from benchmarks.report.results import RAW, STANDALONE, THREE_PROCESSES, Key, Results
from benchmarks.throughput import startup

_SUBJECTS = (STANDALONE, THREE_PROCESSES)
_BEGIN, _END = "<!-- written by: make bench -->\n", "<!-- end -->\n"


def render(found: Results, machine: Mapping[str, str], how: str) -> str:
    """All sections that have numbers. `how` says how the run was made, in a sentence."""
    described = "".join(f"- {name}: {words}\n" for name, words in machine.items())
    parts = [f"Measured on this machine:\n\n{described}\n{how}\n"]
    for title, section in (
        ("Goals", _goals(found)),
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
    limit = ("at most " if goal.is_upper_limit else "") + number(goal.target)
    synced = found.median(*goal.synced) if goal.synced else None
    reached = "yes" if goal.is_reached(value) else f"no, {value / goal.target:.2f} of it"
    peer = number(found.median(case, goal.peer, unit))
    ratios = [
        number(found.ratio(key, goal.peer)) if key else MISSING
        for key in (goal.measured, goal.synced)
    ]
    yield (
        *(case, subject, unit, limit, number(value), reached),
        *(peer, ratios[0], number(synced), ratios[1]),
    )


def _produce(found: Results) -> str:
    metrics = (results.REQUESTS, results.RECORDS, results.MEGABYTES, results.CPU)
    cases = [case for case in found.cases(results.RECORDS) if "client alone" not in case]
    return _by_subject(found, cases, metrics, spread_of=results.REQUESTS)


def _fetch(found: Results) -> str:
    cases = [case for case in found.cases(results.CPU) if case.startswith("fetch")]
    return _by_subject(found, cases, (results.MEGABYTES, results.REQUESTS, results.CPU))


def _latency(found: Results) -> str:
    return _by_subject(found, found.cases(results.P99), (results.P50, results.P99))


def _by_subject(
    found: Results, cases: list[str], metrics: tuple[str, ...], *, spread_of: str | None = None
) -> str:
    """A row for each case and deployment, a column for each metric, and the spread of one."""
    spread_of = spread_of or metrics[0]
    rows = [
        (
            case,
            subject,
            *(number(found.median(case, subject, metric)) for metric in metrics),
            _spread(found, Key(case, subject, spread_of)),
        )
        for case in cases
        for subject in _SUBJECTS
        if found.median(case, subject, metrics[0]) is not None
    ]
    header = ("case", "deployment", *metrics, f"{spread_of}, lowest … highest")
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
            _spread(found, Key(case, subject, unit)),
        )
        for unit in (results.SECONDS, startup.SHARE, startup.RSS, startup.PSS)
        for case in found.cases(unit)
        for subject in (*_SUBJECTS, RAW)
        if found.median(case, subject, unit) is not None
    ]
    header = ("what", "of", "unit", "median", "lowest … highest")
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
    header = ("broker", "limit", "unit", *_SUBJECTS)
    return markdown.table(header, rows) if rows else ""


def _comparison(found: Results, comparison: Comparison) -> Iterator[tuple[str, ...]]:
    case, limit_case, metric = comparison
    limit = found.median(limit_case, RAW, metric)
    values = [found.median(case, subject, metric) for subject in _SUBJECTS]
    if limit and any(values):
        ratios = (number(value / limit if value else None) for value in values)
        yield case, limit_case, metric, *ratios
