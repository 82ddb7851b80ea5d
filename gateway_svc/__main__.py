"""`python -m gateway_svc`: the gateway as a process."""

import os
import sys

from common.config.sources import read_settings
from common.ports.unavailable import RegistrationRefused
from common.rpc.server import AddressInUse
from common.runtime.process import ProcessSettings, run
from gateway_svc.app import serve
from gateway_svc.config import GatewaySettings
from gateway_svc.net.listener import CannotListen


def main() -> int:
    """Returns the exit status: 0 if stopped by a signal, 1 if it cannot run.

    Invalid settings exit with status 2.
    """
    configuration = read_settings(
        "gateway_svc",
        "The gateway of ringlog: speaks Kafka to clients, gRPC to the services behind it.",
        [GatewaySettings, ProcessSettings],
        arguments=sys.argv[1:],
        environment=os.environ,
    )
    settings = configuration.of(GatewaySettings)
    return run(
        "gateway_svc",
        lambda stop: serve(settings, stop),
        configuration.of(ProcessSettings),
        cannot_run=(AddressInUse, CannotListen, RegistrationRefused),
    )


if __name__ == "__main__":
    sys.exit(main())
