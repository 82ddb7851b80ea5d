import argparse
import sys
from contextlib import asynccontextmanager

import pytest

from common.ports.unavailable import BackendUnavailable
from ringlog.cli.actions import CommandFailed, Console, run_action

OPTIONS = argparse.Namespace(action="act", metadata="m:1")


def run(action, **options):
    """Returns the exit status and the addresses that were connected."""
    connected = []

    @asynccontextmanager
    async def connect(address):
        connected.append(address)
        yield "a connection"

    status = run_action(Console("thing"), OPTIONS, connect, {"act": action}, **options)
    return status, connected


def test_action_gets_connection_and_options_and_returns_the_status():
    async def act(connection, options):
        assert (connection, options) == ("a connection", OPTIONS)
        return 7

    assert run(act) == (7, ["m:1"])


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (CommandFailed("no group 'g'"), "ringlog thing: no group 'g'\n"),
        (
            BackendUnavailable("ListGroups: UNAVAILABLE"),
            "ringlog thing: the cluster of m:1 does not respond: ListGroups: UNAVAILABLE\n",
        ),
    ],
)
def test_failure_is_reported_on_stderr_after_the_output_and_exits_with_1(capsys, error, line):
    async def act(connection, options):
        sys.stdout.write("part\n")
        raise error

    assert run(act)[0] == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("part\n", line)


def test_interrupt_exits_with_130_and_the_given_message(capsys):
    async def act(connection, options):
        raise KeyboardInterrupt

    assert run(act)[0] == 130
    assert run(act, if_interrupted="stopped halfway")[0] == 130
    assert capsys.readouterr().err == (
        "ringlog thing: interrupted\nringlog thing: stopped halfway\n"
    )


def test_unexpected_exception_is_raised():
    async def act(connection, options):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(act)
