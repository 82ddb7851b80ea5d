"""The arguments of `ringlog ring`."""

import argparse
from collections.abc import Mapping
from typing import Final

from ringlog.cli.options import CommandParser

_NOTE: Final = """\
A change is confirmed when it is durable; the moves that follow from it take their time.
"""


def ring_parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """Returns the parser of `ringlog ring`, whose default address is in `environment`."""
    command = CommandParser(
        "ring",
        "Show and change which partition services hold partitions.",
        environment,
        note=_NOTE,
    )
    _add_status(command)
    add = command.add_action("add", "Add a member to the ring, also one that was drained before.")
    _add_name(add)
    _add_waiting(add, "until nothing is moving")
    drain = command.add_action("drain", "Move every partition away from a member.")
    _add_name(drain)
    _add_waiting(drain, "until it holds no partition, and show the progress")
    _add_remove(command)
    moves = command.add_action("moves", "Show every move in progress: bytes, rate, time left.")
    _add_waiting(moves, "until nothing is moving")
    cancel = command.add_action(
        "cancel", "Roll back a move that is not committed; it may be planned again."
    )
    cancel.add_argument("move_id", metavar="ID", type=int, help="as `ringlog ring moves` shows it")
    accept = command.add_action(
        "accept",
        "Accept the volume with which a member registers next, also if it is older than its last "
        "one, or newer than the metadata after a restore. Acknowledged records may be missing; "
        "its partitions start new leader epochs.",
    )
    _add_name(accept)
    return command.parser


def _add_status(command: CommandParser) -> None:
    status = command.add_action(
        "status", "Show the members, what they hold, and how much is moving."
    )
    status.add_argument(
        "--require-drained",
        metavar="NAME",
        help="fail unless this member holds no partition and gets none, so that it can be removed",
    )


def _add_remove(command: CommandParser) -> None:
    remove = command.add_action(
        "remove", "Remove a member that holds no partition and is not alive."
    )
    _add_name(remove)
    remove.add_argument(
        "--accept-data-loss",
        action="store_true",
        help="also if it holds partitions and its volume is permanently lost: they restart, empty, "
        "on live members, and the volume is never accepted again",
    )


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a member's name, for instance partition-3")


def _add_waiting(parser: argparse.ArgumentParser, until: str) -> None:
    parser.add_argument("--wait", action="store_true", help=f"wait {until}")
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=float, help="with --wait: fail if it takes longer"
    )
