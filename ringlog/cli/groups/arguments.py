"""The words that `ringlog groups` takes."""

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from ringlog.cli.groups.reset import Earliest, Latest, ToOffset, ToTime
from ringlog.cli.options import admin_options

_EPILOG: Final = """\
Exit status: 0 done, 1 not done (the reason is on stderr), 2 used wrongly.
"""


def groups_parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """Parses to `action`, `metadata`, `json`, and what the action takes besides."""
    parser = argparse.ArgumentParser(
        prog="ringlog groups",
        description="Consumer groups: who is in them, how far they are, where they go on.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    common = admin_options(environment)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, about: str) -> argparse.ArgumentParser:
        return actions.add_parser(
            name, parents=[common], help=about, description=about, allow_abbrev=False
        )

    listing = action("list", "Every group with its state and type.")
    listing.add_argument(
        "--state", metavar="STATE", action="append", default=[], help="only these, e.g. Stable"
    )
    _add_group(action("describe", "State, members, and the lag of each partition."))
    reset = action(
        "reset-offsets",
        "Change where a group without members goes on. Shows what would be done; "
        "--execute does it.",
    )
    _add_group(reset)
    _add_reset(reset)
    _add_group(action("delete", "Forget a group without members, and what it committed."))
    return parser


def _add_group(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", metavar="GROUP", help="the group's id")


def _add_reset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--topic",
        metavar="TOPIC[:P,P…]",
        required=True,
        type=_topic,
        help="all of a topic's partitions, or some",
    )
    to = parser.add_mutually_exclusive_group(required=True)
    to.add_argument("--to-earliest", dest="target", action="store_const", const=Earliest())
    to.add_argument("--to-latest", dest="target", action="store_const", const=Latest())
    to.add_argument(
        "--to-offset",
        dest="target",
        metavar="N",
        type=_offset,
        help="the first or last offset where N is outside the log",
    )
    to.add_argument(
        "--to-datetime",
        dest="target",
        metavar="ISO",
        type=_time,
        help="the first record of that time or later, e.g. 2030-01-31T12:00:00Z; UTC if no zone",
    )
    parser.add_argument("--execute", action="store_true", help="do it")


def _topic(text: str) -> tuple[str, tuple[int, ...] | None]:
    """The name, and the partitions where some are named. Names have no colon."""
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
