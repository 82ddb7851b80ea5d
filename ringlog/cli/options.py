"""The words that every command for operators takes: where the metadata service is, and JSON."""

import argparse
from collections.abc import Mapping
from typing import Final

from common.config.addresses import metadata_address_setting
from common.config.settings import declared, settings


@settings
class _ClusterSettings:
    """The setting of the services that the commands share."""

    metadata_address: str = metadata_address_setting()


(_METADATA,) = declared(_ClusterSettings)
#: Where `make run` has its gRPC: beside Kafka's default port.
_STANDALONE: Final = "localhost:9093"


def admin_options(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """A parent for the parsers of actions: parses to `metadata` and `json`."""
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    default = environment.get(_METADATA.environment_name) or f"{_METADATA.default},{_STANDALONE}"
    common.add_argument(
        "--metadata",
        metavar="HOST:PORT",
        type=_addresses,
        default=default,
        help=f"{_METADATA.doc} Or of `ringlog standalone` (its gRPC). Also "
        f"${_METADATA.environment_name}; now {default}.",
    )
    common.add_argument("--json", action="store_true", help="print one line of JSON")
    return common


def _addresses(text: str) -> str:
    """One HOST:PORT, or several with commas between, as the services take them."""
    for one in text.split(","):
        host, _, port = one.strip().rpartition(":")
        if not host or not port.isdecimal():
            raise argparse.ArgumentTypeError(f"{one.strip()!r} is not HOST:PORT")
    return text
