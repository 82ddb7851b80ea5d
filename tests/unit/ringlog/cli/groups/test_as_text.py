"""Tests of groups as text."""

from common.ports.classic_groups import ListedGroup
from ringlog.cli.groups.as_text import describe_text, list_text, reset_text
from ringlog.cli.groups.report import classic_group, report
from ringlog.cli.groups.reset import OffsetChange
from tests.unit.ringlog.cli.groups.group_samples import COMMITTED, EMPTY, ENDS, STABLE


def test_list_text_has_a_line_for_each_group():
    groups = [
        ListedGroup("readers", "consumer", "Stable", "classic"),
        ListedGroup("x", "", "Empty", "consumer"),
    ]
    assert list_text(groups) == (
        "GROUP    STATE   TYPE      PROTOCOL\n"
        "readers  Stable  classic   consumer\n"
        "x        Empty   consumer  -\n"
    )
    assert list_text([]) == "no groups\n"


def test_describe_text_has_members_and_lag():
    text = describe_text(report(classic_group(STABLE), COMMITTED, ENDS, coordinator="partition-1"))
    assert text == (
        "readers: Stable, coordinator partition-1, assigned by range, lag 3\n"
        "\n"
        "MEMBER  INSTANCE  CLIENT  HOST       PARTITIONS\n"
        "m-1     -         app     /10.0.0.1  bills:0 orders:0,1\n"
        "m-2     i         app     /10.0.0.1  orders:2\n"
        "\n"
        "TOPIC   PARTITION  COMMITTED  END  LAG  MEMBER\n"
        "bills   0          -          2    -    m-1\n"
        "gone    0          4          -    -    -\n"
        "orders  0          7          10   3    m-1\n"
        "orders  1          3          3    0    m-1\n"
        "orders  2          -          8    -    m-2\n"
    )


def test_describe_text_of_an_empty_group_is_one_line():
    text = describe_text(report(classic_group(EMPTY), [], {}, coordinator="partition-1"))
    assert text == "readers: Empty, coordinator partition-1, lag 0\n"


def test_reset_text_reports_if_it_was_executed():
    offsets = [OffsetChange("orders", 0, None, 5), OffsetChange("orders", 10, 7, 0)]
    table = (
        "TOPIC   PARTITION  COMMITTED  NEW\n"
        "orders  0          -          5\n"
        "orders  10         7          0\n"
    )
    assert reset_text(offsets, is_done=True) == f"{table}done\n"
    assert "nothing was changed" in reset_text(offsets, is_done=False)
