"""Tests of arguments and their parsed values."""

import pytest

from ringlog.cli.groups.arguments import groups_parser
from ringlog.cli.groups.reset import Earliest, Latest, ToOffset, ToTime


def parse(*arguments):
    return groups_parser({}).parse_args(arguments)


@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        (["--to-earliest"], Earliest()),
        (["--to-latest"], Latest()),
        (["--to-offset", "17"], ToOffset(17)),
        (["--to-datetime", "1970-01-01T00:00:01.5"], ToTime(1500)),
        (["--to-datetime", "1970-01-01T02:00:00+02:00"], ToTime(0)),
        (["--to-datetime", "1970-01-02"], ToTime(86_400_000)),
    ],
)
def test_reset_target_is_parsed(arguments, target):
    options = parse("reset-offsets", "g", "--topic", "t", *arguments)
    assert (options.group, options.topic, options.target) == ("g", ("t", None), target)
    assert type(options.target) is type(target)
    assert not options.execute


def test_partitions_of_a_topic_are_parsed():
    arguments = ["reset-offsets", "g", "--topic", "t:2,0,2", "--to-latest", "--execute"]
    options = parse(*arguments)
    assert options.topic == ("t", (0, 2))
    assert options.execute


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "ACTION"),
        (["shrink"], "shrink"),
        (["describe"], "GROUP"),
        (["delete"], "GROUP"),
        (["reset-offsets", "g", "--to-latest"], "--topic"),
        (["reset-offsets", "g", "--topic", "t"], "--to-earliest"),
        (["reset-offsets", "g", "--topic", "t", "--to-latest", "--to-earliest"], "not allowed"),
        (["reset-offsets", "g", "--topic", "t:", "--to-latest"], "'t:' is not TOPIC"),
        (["reset-offsets", "g", "--topic", "t:x", "--to-latest"], "'t:x' is not TOPIC"),
        (["reset-offsets", "g", "--topic", "t", "--to-offset", "-1"], "--to-offset"),
        (["reset-offsets", "g", "--topic", "t", "--to-offset", "x"], "'x' is not an offset"),
        (["reset-offsets", "g", "--topic", "t", "--to-datetime", "noon"], "'noon' is not an ISO"),
    ],
)
def test_invalid_arguments_exit_with_2_and_an_error(capsys, arguments, problem):
    with pytest.raises(SystemExit) as end:
        parse(*arguments)
    assert end.value.code == 2
    assert problem in capsys.readouterr().err


def test_states_of_a_list_are_repeatable():
    assert parse("list").state == []
    assert parse("list", "--state", "Empty", "--state", "Stable").state == ["Empty", "Stable"]


@pytest.mark.parametrize("action", ["list", "describe", "reset-offsets", "delete"])
def test_every_action_has_help(capsys, action):
    with pytest.raises(SystemExit) as end:
        parse(action, "--help")
    assert end.value.code == 0
    assert "RINGLOG_METADATA_ADDRESS" in capsys.readouterr().out
