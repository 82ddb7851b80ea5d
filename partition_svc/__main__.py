"""`python -m partition_svc`: the partition service as a process of its own."""

import os
import sys

from common.command_line import read_settings
from common.process import run
from common.rpc.server import AddressTaken
from partition_svc.app import serve
from partition_svc.config import PartitionSettings
from partition_svc.store.failures import StorageFailed, StoreInUse, WrongCluster


def main() -> int:
    """The exit status: 0 stopped by a signal, 1 could not run; wrong settings end it with 2."""
    configuration = read_settings(
        "partition_svc",
        "The partition service of ringlog: owns partition logs and keeps them in RocksDB.",
        [PartitionSettings],
        arguments=sys.argv[1:],
        environment=os.environ,
    )
    settings = configuration.of(PartitionSettings)
    try:
        run(lambda stop: serve(settings, stop))
    except (StorageFailed, StoreInUse, WrongCluster, AddressTaken) as error:
        print(f"partition_svc: {error}", file=sys.stderr)  # noqa: T201 - to whoever started it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
