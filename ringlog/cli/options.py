"""Parsers of the commands for operators, whose actions share options."""

import argparse
from collections.abc import Mapping
from typing import Final

from common.config.addresses import metadata_address_setting
from common.config.settings import declared, settings

_EXIT_STATUS: Final = "Exit status: 0 done, 1 not done (the reason is on stderr), 2 used wrongly.\n"

#: The gRPC server of `ringlog standalone` by default: the port after Kafka's.
_STANDALONE: Final = "localhost:9093"


@settings
class _ClusterSettings:
    """The setting that the commands share with the services."""

    metadata_address: str = metadata_address_setting()


(_METADATA,) = declared(_ClusterSettings)


class CommandParser:
    """The parser of `ringlog COMMAND ACTION`: parses to `action`, `metadata`, `json`, and the rest.

    `parser` is complete when all actions were added.
    """

    def __init__(
        self,
        command: str,
        about: str,
        environment: Mapping[str, str] | None,
        *,
        note: str = "",
    ) -> None:
        """`environment`: None for a command that calls no service: its actions share no options.

        `note` is shown below the help, before the exit status.
        """
        self.parser = argparse.ArgumentParser(
            prog=f"ringlog {command}",
            description=about,
            epilog=note + _EXIT_STATUS,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self._shared = [] if environment is None else [_shared_options(environment)]
        self._actions = self.parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def add_action(self, name: str, about: str) -> argparse.ArgumentParser:
        """Adds an action; its own arguments are added to the parser that is returned."""
        return self._actions.add_parser(
            name, parents=self._shared, help=about, description=about, allow_abbrev=False
        )


def _shared_options(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    default = environment.get(_METADATA.environment_name) or f"{_METADATA.default},{_STANDALONE}"
    shared.add_argument(
        "--metadata",
        metavar="HOST:PORT",
        type=_addresses,
        default=default,
        help="gRPC address of the metadata service or of `ringlog standalone`; several, with "
        f"commas, of which one is the leader (default: ${_METADATA.environment_name}, "
        f"now {default})",
    )
    shared.add_argument("--json", action="store_true", help="print one line of JSON")
    return shared


def _addresses(text: str) -> str:
    """Checks one HOST:PORT, or several with commas, as the services take them."""
    for address in text.split(","):
        host, _, port = address.strip().rpartition(":")
        if not host or not port.isdecimal():
            raise argparse.ArgumentTypeError(f"{address.strip()!r} is not HOST:PORT")
    return text
