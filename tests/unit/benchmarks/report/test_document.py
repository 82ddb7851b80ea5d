import pytest

from benchmarks.report import document, goals, markdown, results
from benchmarks.report.results import STANDALONE, Results
from benchmarks.throughput import throughput

PIPELINED = throughput.SINGLE_PIPELINED


def _row(rendered, *starts):
    """Returns the cells of the only row that begins with `starts`."""
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in rendered.splitlines()
    ]
    (row,) = (row for row in rows if row[: len(starts)] == list(starts))
    return row


def _results(requests_per_second, subject=STANDALONE, measured=None):
    measured = Results() if measured is None else measured
    for value in requests_per_second:
        for acks in throughput.EVERY_ACKS:
            measured.add(
                PIPELINED.with_acks(acks),
                subject,
                {results.REQUESTS: value * (2 + acks), results.RECORDS: value},
            )
    return measured


def test_a_goal_is_compared_with_the_median():
    rendered = document.render(_results([11_000, 14_000, 9_000]), {}, "")
    row = _row(rendered, PIPELINED.with_acks(1), STANDALONE, results.REQUESTS, "35,000")
    none = markdown.MISSING
    assert row[4:] == ["33,000", "no, ratio 0.94", none, none, "11,000", none]


def test_the_report_compares_each_round_with_the_baseline():
    measured = _results([11_000, 14_000, 9_000])
    # The machine was slow in some rounds: the ratio is 0.5 in two rounds and 1 in one.
    measured = _results([22_000, 14_000, 18_000], results.BASELINE, measured)
    rendered = document.render(measured, {}, "")
    row = _row(rendered, PIPELINED.with_acks(1), STANDALONE, results.REQUESTS, "35,000")
    assert row[6:] == ["54,000", "0.50", "11,000", "0.50"]


def test_a_latency_goal_is_an_upper_limit():
    latencies = [goal for goal in goals.GOALS if goal.is_upper_limit]
    assert {goal.measured.metric for goal in latencies} == {results.P50, results.P99}
    for goal in latencies:
        assert goal.is_reached(goal.target)
        assert not goal.is_reached(goal.target + 1)


def test_missing_measurements_are_left_out():
    rendered = document.render(Results(), {"cores": "2"}, "how")
    assert "cores: 2" in rendered
    assert "###" not in rendered


def test_the_report_replaces_only_the_text_between_the_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- written by: make bench -->\nold\n<!-- end -->\nafter\n")
    for _ in range(2):
        document.replace_section(page, "new\n")
    written = page.read_text()
    assert written.startswith("before\n")
    assert written.endswith("after\n")
    assert "old" not in written
    assert written.count("new") == 1


def test_a_page_without_marks_is_not_touched(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("text\n")
    with pytest.raises(ValueError, match="has no lines"):
        document.replace_section(page, "new\n")
    assert page.read_text() == "text\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.1234, "0.12"), (12.34, "12.3"), (1234.5, "1,234"), (0.0, "0.00")],
)
def test_numbers_have_about_three_digits(value, text):
    assert markdown.number(value) == text


def test_columns_of_numbers_are_right_aligned():
    assert markdown.table(("a", "n"), [("x", "1"), ("yy", "1,000")]) == (
        "| a  |     n |\n| -- | ----: |\n| x  |     1 |\n| yy | 1,000 |\n"
    )
