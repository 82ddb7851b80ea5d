"""Tests of new offsets, which are those of Kafka's tool."""

import pytest

from common.ports.partitions import EARLIEST_TIMESTAMP, LATEST_TIMESTAMP
from ringlog.cli.groups.reset import (
    Earliest,
    Latest,
    LogEnds,
    ToOffset,
    ToTime,
    new_offset,
    timestamp_of,
)

ENDS = LogEnds(10, 20)


@pytest.mark.parametrize(
    ("target", "found", "offset"),
    [
        (Earliest(), 10, 10),
        (Latest(), 20, 20),
        (ToTime(5), 15, 15),
        (ToTime(5), -1, 20),
        (ToOffset(9), 10, 10),
        (ToOffset(10), 10, 10),
        (ToOffset(15), 10, 15),
        (ToOffset(21), 10, 20),
    ],
)
def test_new_offset_is_within_the_log(target, found, offset):
    assert new_offset(target, ENDS, found) == offset


def test_timestamp_of_returns_the_query_timestamp_of_a_target():
    assert timestamp_of(Earliest()) == EARLIEST_TIMESTAMP
    assert timestamp_of(Latest()) == LATEST_TIMESTAMP
    assert timestamp_of(ToTime(77)) == 77


def test_targets_of_different_kinds_are_not_equal():
    assert Earliest() != Latest()
    assert ToOffset(5) != ToTime(5)
