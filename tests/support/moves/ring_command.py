"""`ringlog ring`, run against a cluster of processes."""

import subprocess
from typing import NamedTuple

from tests.support.processes.cluster import METADATA, Cluster
from tests.support.processes.processes import RINGLOG


class CommandOutput(NamedTuple):
    """Exit status, stdout, and stderr with errors and progress."""

    status: int
    out: str
    err: str


def ring(cluster: Cluster, *arguments: str) -> CommandOutput:
    command = [RINGLOG, "ring", *arguments, "--metadata", cluster.grpc_address(METADATA)]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return CommandOutput(completed.returncode, completed.stdout, completed.stderr)
