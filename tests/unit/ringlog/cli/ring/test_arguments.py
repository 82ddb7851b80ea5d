"""Tests of arguments, defaults and the environment."""

import pytest

from ringlog.cli.ring.arguments import ring_parser


def parse(*arguments, **environment):
    return ring_parser(environment).parse_args(arguments)


def test_metadata_address_is_from_the_option_the_environment_or_the_default():
    assert parse("status").metadata == "localhost:9392,localhost:9093"
    assert parse("status", RINGLOG_METADATA_ADDRESS="m:1").metadata == "m:1"
    assert parse("status", "--metadata", "n:2", RINGLOG_METADATA_ADDRESS="m:1").metadata == "n:2"
    assert parse("status", "--metadata", "a:1,[::1]:2").metadata == "a:1,[::1]:2"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "ACTION"),
        (["shrink"], "shrink"),
        (["add"], "NAME"),
        (["drain", "a", "b"], "b"),
        (["cancel", "soon"], "soon"),
        (["status", "--metadata", "nowhere"], "'nowhere' is not HOST:PORT"),
        (["status", "--metadata", "a:1,b"], "'b' is not HOST:PORT"),
        (["drain", "a", "--timeout", "long"], "long"),
        (["status", "--requ", "a"], "--requ"),
    ],
)
def test_invalid_arguments_exit_with_2_and_an_error(capsys, arguments, problem):
    with pytest.raises(SystemExit) as end:
        parse(*arguments)
    assert end.value.code == 2
    assert problem in capsys.readouterr().err


def test_invalid_address_in_the_environment_is_reported(capsys):
    with pytest.raises(SystemExit) as end:
        parse("status", RINGLOG_METADATA_ADDRESS="nowhere")
    assert end.value.code == 2
    assert "nowhere" in capsys.readouterr().err


def test_every_action_has_its_own_arguments():
    assert parse("drain", "partition-3", "--wait", "--timeout", "5").timeout == 5.0
    assert parse("cancel", "17").move_id == 17
    assert parse("remove", "partition-3", "--accept-data-loss").accept_data_loss is True
    assert parse("remove", "partition-3").accept_data_loss is False
    assert parse("status", "--require-drained", "partition-3").require_drained == "partition-3"
    assert parse("moves", "--json").json is True


@pytest.mark.parametrize(
    "action", ["status", "add", "drain", "remove", "moves", "cancel", "accept"]
)
def test_every_action_has_help(capsys, action):
    with pytest.raises(SystemExit) as end:
        parse(action, "--help")
    assert end.value.code == 0
    assert "RINGLOG_METADATA_ADDRESS" in capsys.readouterr().out
