"""Network partitions between services, while all other traffic continues."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.composed import Composed
from tests.support.tools import need


@contextmanager
def pair_cut(cluster: Composed, first: str, second: str) -> Iterator[None]:
    """Drops packets between two services, as a broken switch does: neither side gets an error.

    The rules are in the network namespace of `first`, and end with it.
    """
    need(os.geteuid() == 0, "root to cut a network")
    for tool in ("nsenter", "iptables"):
        need(shutil.which(tool), tool)
    pid, address = cluster.container(first).attrs["State"]["Pid"], cluster.ip(second)
    rules = (["INPUT", "--source", address], ["OUTPUT", "--destination", address])
    for rule in rules:
        _iptables(pid, "--insert", *rule)
    try:
        yield
    finally:
        for rule in rules:
            _iptables(pid, "--delete", *rule)


@contextmanager
def cut_off(cluster: Composed, name: str) -> Iterator[None]:
    """Cuts a service off from all others, in both directions."""
    container = cluster.container(name)
    cluster.network.disconnect(container)
    try:
        yield
    finally:
        cluster.network.connect(container, aliases=[name])


def _iptables(pid: int, *arguments: str) -> None:
    command = ["nsenter", "--target", str(pid), "--net", "iptables", *arguments, "--jump", "DROP"]
    subprocess.run(command, check=True, capture_output=True)
