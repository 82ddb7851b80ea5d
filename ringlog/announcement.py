"""What the standalone broker prints when it is ready: for people, and for whoever starts it.

The lines stay as they are across versions: scripts and `ringlog.testing` read the addresses.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

_LINE = re.compile(r"\s+(Kafka|gRPC) on (\S+)")


class Addresses(NamedTuple):
    """Where a running broker is reached, each as host:port."""

    kafka: str
    grpc: str


def announcement(addresses: Addresses, *, data_dir: str) -> str:
    """A few lines with the bootstrap address and something to try."""
    kafka = addresses.kafka
    return (
        f"ringlog is ready (bootstrap.servers={kafka})\n"
        f"  Kafka on {kafka}\n"
        f"  gRPC on {addresses.grpc}\n"
        f"  data in {data_dir}\n"
        f"try: echo hello | kcat -b {kafka} -P -t greetings"
        f" && kcat -b {kafka} -C -t greetings -e\n"
    )


def read_announcement(lines: Iterable[str]) -> Addresses | None:
    """The addresses, as soon as both were seen; None where the lines end before."""
    found: dict[str, str] = {}
    for line in lines:
        if match := _LINE.match(line):
            found[match[1]] = match[2]
        if len(found) == len(Addresses._fields):
            return Addresses(kafka=found["Kafka"], grpc=found["gRPC"])
    return None
