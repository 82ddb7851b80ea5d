"""The words that `ringlog ring` takes."""

import argparse
from collections.abc import Mapping
from typing import Final

from ringlog.cli.options import admin_options

_EPILOG: Final = """\
A change is answered when it is durable; the moves that follow from it take their time.
Exit status: 0 done, 1 not done (the reason is on stderr), 2 used wrongly.
"""


def ring_parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """Parses to `action`, `metadata`, `json`, and what the action takes besides."""
    parser = argparse.ArgumentParser(
        prog="ringlog ring",
        description="Which partition services hold partitions, and what moves between them.",
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

    status = action("status", "Members with what they hold, and how much is moving.")
    status.add_argument(
        "--require-drained",
        metavar="NAME",
        help="fail unless this member holds no partition and gets none: it can be taken away",
    )
    add = action("add", "Let a member into the ring, also one that was drained before.")
    _add_name(add)
    _add_waiting(add, "until nothing moves any more")
    drain = action("drain", "Move every partition away from a member.")
    _add_name(drain)
    _add_waiting(drain, "until it holds nothing, and show how far it is")
    remove = action("remove", "Forget a member that holds nothing and is not alive.")
    _add_name(remove)
    remove.add_argument(
        "--accept-data-loss",
        action="store_true",
        help="also where it holds partitions and its volume is lost for good: they begin anew, "
        "empty, on live members, and the volume is never let in again",
    )
    moves = action("moves", "Every move under way: bytes, rate, time left.")
    _add_waiting(moves, "until nothing moves any more")
    cancel = action("cancel", "Roll a move back that is not committed; it may be planned again.")
    cancel.add_argument("move_id", metavar="ID", type=int, help="as `ringlog ring moves` shows it")
    accept = action(
        "accept",
        "Let a member's next volume in that is older than the last one, or newer than the metadata "
        "after a restore. Acknowledged records may be missing; partitions begin new leader epochs.",
    )
    _add_name(accept)
    return parser


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a member's name, for instance partition-3")


def _add_waiting(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--wait", action="store_true", help=f"wait {what}")
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=float, help="with --wait: fail where it takes longer"
    )
