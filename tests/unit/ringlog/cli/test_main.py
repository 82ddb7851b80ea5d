"""Tests of the command line itself; tests of standalone use real clients."""

from importlib.metadata import version

import pytest

from ringlog.cli.main import main


@pytest.mark.parametrize("arguments", [["version"], ["--version"]])
def test_version_is_the_installed_version(capsys, arguments):
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"ringlog {version('ringlog')}\n"


def test_help_names_the_commands(capsys):
    assert main(["--help"]) == 0
    output = capsys.readouterr().out
    assert "standalone" in output
    assert "ring " in output


@pytest.mark.parametrize(
    "arguments", [[], ["standalon"], ["version", "3"]], ids=["none", "unknown", "too many"]
)
def test_invalid_arguments_exit_with_2_and_an_error(capsys, arguments):
    assert main(arguments) == 2
    assert "ringlog" in capsys.readouterr().err


def test_standalone_help_lists_the_settings(capsys):
    with pytest.raises(SystemExit) as end:
        main(["standalone", "--help"])
    assert end.value.code == 0
    output = capsys.readouterr().out
    assert "--listen" in output
    assert "group.initial.rebalance.delay.ms" in output


def test_standalone_rejects_an_invalid_setting_before_it_starts(capsys):
    with pytest.raises(SystemExit) as end:
        main(["standalone", "--set", "num.partitions=0"])
    assert end.value.code == 2
    assert "num.partitions" in capsys.readouterr().err
