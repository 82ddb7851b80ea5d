"""Addresses in settings: HOST:PORT, hosts that mean every address, and the metadata service's."""

import re
from typing import Final

from common.config.settings import setting

#: The default address of a metadata service on the same machine.
_METADATA_DEFAULT: Final = "localhost:9392"

#: Bind addresses that stand for every address of the machine, which no client can connect to.
_WILDCARD_HOSTS: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not bound

_ADDRESS: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:/]+):(?P<port>\d{1,5})")
_PORT_MAX: Final = 65_535


def metadata_address_setting() -> str:
    """Declares the setting by which a process finds the metadata service."""
    return setting(
        "metadata.address",
        flag="--metadata",
        default=_METADATA_DEFAULT,
        doc="host:port of the metadata service; on etcd: of all its processes, with commas.",
    )


def is_wildcard(host: str) -> bool:
    """True if `host`, with or without brackets, means every address of the machine."""
    return host.strip("[]") in _WILDCARD_HOSTS


def host_and_port(address: str) -> tuple[str, int]:
    """Splits `localhost:9092` or `[::1]:9092`; brackets are kept.

    Raises:
        ValueError: `address` is not HOST:PORT.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > _PORT_MAX:
        raise ValueError(f"{address!r} is not HOST:PORT")
    return match["host"], int(match["port"])


def bindable(host: str) -> str:
    """Returns `host` as it is written before a colon and a port; "" is every IPv4 address."""
    if not host:
        return "0.0.0.0"  # noqa: S104 - no host means all of them
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
