"""The arguments of `ringlog groups`."""

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime

from ringlog.cli.groups.reset import Earliest, Latest, ToOffset, ToTime
from ringlog.cli.options import CommandParser


def groups_parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """Returns the parser of `ringlog groups`, whose default address is in `environment`."""
    command = CommandParser(
        "groups",
        "List and describe consumer groups, reset their offsets, delete them.",
        environment,
    )
    listing = command.add_action("list", "Show every group with its state and type.")
    listing.add_argument(
        "--state", metavar="STATE", action="append", default=[], help="only these, e.g. Stable"
    )
    describe = command.add_action(
        "describe", "Show the state, the members, and the lag of each partition."
    )
    _add_group(describe)
    reset = command.add_action(
        "reset-offsets",
        "Change the committed offsets of a group without members. Shows the "
        "changes, and makes them with --execute.",
    )
    _add_group(reset)
    _add_reset(reset)
    delete = command.add_action("delete", "Delete a group without members, and its offsets.")
    _add_group(delete)
    return command.parser


def _add_group(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", metavar="GROUP", help="the group's id")


def _add_reset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--topic",
        metavar="TOPIC[:P,P…]",
        required=True,
        type=_topic,
        help="all partitions of a topic, or some",
    )
    to = parser.add_mutually_exclusive_group(required=True)
    to.add_argument(
        "--to-earliest",
        dest="target",
        action="store_const",
        const=Earliest(),
        help="the first offset",
    )
    to.add_argument(
        "--to-latest", dest="target", action="store_const", const=Latest(), help="the end offset"
    )
    to.add_argument(
        "--to-offset",
        dest="target",
        metavar="N",
        type=_offset,
        help="offset N, or the first or last offset if N is outside the log",
    )
    to.add_argument(
        "--to-datetime",
        dest="target",
        metavar="ISO",
        type=_time,
        help="the first record of that time or later, e.g. 2030-01-31T12:00:00Z; UTC if no zone",
    )
    parser.add_argument("--execute", action="store_true", help="commit the new offsets")


def _topic(text: str) -> tuple[str, tuple[int, ...] | None]:
    """Returns the name, and the partitions that are named. Names have no colon."""
    name, colon, partitions = text.partition(":")
    words = partitions.split(",")
    if not name or (colon and not all(map(str.isdecimal, words))):
        raise argparse.ArgumentTypeError(f"{text!r} is not TOPIC or TOPIC:0,1,…")
    return name, tuple(sorted(set(map(int, words)))) if colon else None


def _offset(text: str) -> ToOffset:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not an offset: 0 or more")
    return ToOffset(int(text))


def _time(text: str) -> ToTime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an ISO 8601 time") from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return ToTime(int(time.timestamp() * 1000))
