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


def ring(cluster: Cluster, *words: str) -> CommandOutput:
    command = [RINGLOG, "ring", *words, "--metadata", cluster.grpc_address(METADATA)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return CommandOutput(done.returncode, done.stdout, done.stderr)
