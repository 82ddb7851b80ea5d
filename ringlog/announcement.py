"""The output of the standalone broker when it is ready, and reading it.

The lines do not change across versions: scripts and `ringlog.testing` read the addresses.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

_LINE = re.compile(r"\s+(Kafka|gRPC) on (\S+)")


class Addresses(NamedTuple):
    """The addresses of a running broker, each as host:port."""

    kafka: str
    grpc: str


def announcement(addresses: Addresses, *, data_dir: str) -> str:
    """Returns a few lines with the bootstrap address and a command to try."""
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
    """Returns the addresses as soon as both were read; None if the lines end before."""
    by_name: dict[str, str] = {}
    for line in lines:
        if match := _LINE.match(line):
            by_name[match[1]] = match[2]
        if len(by_name) == len(Addresses._fields):
            return Addresses(kafka=by_name["Kafka"], grpc=by_name["gRPC"])
    return None
