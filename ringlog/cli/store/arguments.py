"""The arguments of `ringlog store`."""

import argparse
from pathlib import Path
from typing import Final

from ringlog.cli.options import CommandParser

_NOTE: Final = """\
No process may have the directory open. The journal has the changes that a start applies to RocksDB.
"""


def store_parser() -> argparse.ArgumentParser:
    """Returns the parser of `ringlog store`."""
    command = CommandParser(
        "store", "Check the data directory of a partition service.", None, note=_NOTE
    )
    check = command.add_action(
        "check", "Show the files of the journal, and whether a start would accept it."
    )
    _add_directory(check)
    truncate = command.add_action(
        "truncate",
        "Drop the changes of a damaged journal from the damage on, so that the store can be "
        "started without them. Shows what would be dropped; --yes does it. Copies are kept.",
    )
    _add_directory(truncate)
    truncate.add_argument("--yes", action="store_true", help="drop acknowledged changes")
    return command.parser


def _add_directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory",
        metavar="DIR",
        type=Path,
        help="data directory of a partition service, or of `ringlog standalone`",
    )
