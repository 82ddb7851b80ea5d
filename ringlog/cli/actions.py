"""Running one action of a command for operators.

Results go to stdout, progress and errors to stderr, so that scripts can read one without the other.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeAlias, TypeVar

from common.ports.unavailable import BackendUnavailable

T = TypeVar("T")

#: Opens what the actions work on, by the address of the metadata service.
Connect: TypeAlias = Callable[[str], AbstractAsyncContextManager[T]]

#: By name: an action writes its result to stdout and returns the exit status.
Actions: TypeAlias = Mapping[str, Callable[[T, argparse.Namespace], Awaitable[int]]]

#: The exit status by which shells report SIGINT: 128 + 2.
_INTERRUPTED: Final = 130


class CommandFailed(Exception):
    """Raised when an action was not done, or not completely; the text says why."""


class Console:
    """The stderr of `ringlog COMMAND`."""

    def __init__(self, command: str) -> None:
        self._prefix = f"ringlog {command}: "

    def report(self, line: str) -> None:
        """Prints an error, or progress."""
        sys.stderr.write(f"{self._prefix}{line}\n")
        sys.stderr.flush()


def run_action(
    console: Console,
    options: argparse.Namespace,
    connect: Connect[T],
    actions: Actions[T],
    *,
    if_interrupted: str = "interrupted",
) -> int:
    """Runs the action that `options` name; returns the exit status."""

    async def run() -> int:
        async with connect(options.metadata) as connected:
            return await actions[options.action](connected, options)

    try:
        return asyncio.run(run())
    except KeyboardInterrupt:
        console.report(if_interrupted)
        return _INTERRUPTED
    except BackendUnavailable as error:
        console.report(f"the cluster of {options.metadata} does not respond: {error}")
    except CommandFailed as error:
        console.report(str(error))
    return 1
