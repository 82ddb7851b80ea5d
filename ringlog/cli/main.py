"""The `ringlog` command. Each subcommand imports its own modules, so that all start fast."""

import sys
from collections.abc import Callable, Sequence

from ringlog import __version__

_USAGE = """usage: ringlog COMMAND [--help] …

commands:
  ring         partition services: status, add, drain, remove, moves, cancel, accept
  groups       consumer groups: list, describe, reset-offsets, delete
  store        the data directory of a partition service: check, truncate
  standalone   the whole broker in one process
  health       readiness of a service, as an exit status
  version      the version of ringlog
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status: 0 done, 1 failed, 2 used wrongly."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in ("-h", "--help"):
        sys.stdout.write(_USAGE)
        return 0
    command = _COMMANDS.get(words[0].removeprefix("--")) if words else None
    if command is None:
        problem = f"ringlog: no command {words[0]!r}\n" if words else ""
        sys.stderr.write(problem + _USAGE)
        return 2
    return command(words[1:])


def _ring(arguments: Sequence[str]) -> int:
    from ringlog.cli.ring.command import main as ring

    return ring(arguments)


def _groups(arguments: Sequence[str]) -> int:
    from ringlog.cli.groups.command import main as groups

    return groups(arguments)


def _store(arguments: Sequence[str]) -> int:
    from ringlog.cli.store.command import main as store

    return store(arguments)


def _standalone(arguments: Sequence[str]) -> int:
    from common.runtime.runtime_tuning import importing_without_collections

    with importing_without_collections():
        from ringlog.standalone import main as standalone

    return standalone(arguments)


def _health(arguments: Sequence[str]) -> int:
    from ringlog.cli.health import main as health

    return health(arguments)


def _version(arguments: Sequence[str]) -> int:
    if arguments:
        sys.stderr.write("ringlog version: takes no arguments\n")
        return 2
    sys.stdout.write(f"ringlog {__version__}\n")
    return 0


_COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "ring": _ring,
    "groups": _groups,
    "store": _store,
    "standalone": _standalone,
    "health": _health,
    "version": _version,
}
