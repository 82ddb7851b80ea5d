"""`python -m partition_svc`: the partition service as a process of its own."""

import os
import sys

from common.config.sources import read_settings
from common.ports.unavailable import RegistrationRefused
from common.rpc.server import AddressInUse
from common.runtime.process import ProcessSettings, run
from partition_svc.app import serve
from partition_svc.config import PartitionSettings
from partition_svc.store.failures import StorageFailed, StoreInUse, WrongCluster


def main() -> int:
    """The exit status: 0 stopped by a signal, 1 could not run; wrong settings end it with 2."""
    configuration = read_settings(
        "partition_svc",
        "The partition service of ringlog: owns partition logs and keeps them in RocksDB.",
        [PartitionSettings, ProcessSettings],
        arguments=sys.argv[1:],
        environment=os.environ,
    )
    settings = configuration.of(PartitionSettings)
    return run(
        "partition_svc",
        lambda stop: serve(settings, stop),
        configuration.of(ProcessSettings),
        cannot_run=(StorageFailed, StoreInUse, WrongCluster, AddressInUse, RegistrationRefused),
    )


if __name__ == "__main__":
    sys.exit(main())
