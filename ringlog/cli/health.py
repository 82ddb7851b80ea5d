"""`ringlog health`: the readiness of a service, by grpc.health.v1, as an exit status.

It is for health checks that run a command, such as those of Docker. Kubernetes has its own probes.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from common.config.addresses import is_wildcard

#: The default addresses of the gRPC servers of gateway, partition service and metadata service.
_DEFAULT_ADDRESSES: Final = ("localhost:9192", "localhost:9292", "localhost:9392")
_SERVING: Final = "SERVING"


def main(arguments: Sequence[str]) -> int:
    """Returns 0 if one of the addresses serves, else 1; prints a line for each."""
    options = _parser().parse_args(arguments)
    addresses = [options.address] if options.address else addresses_of(os.environ)
    for address in addresses:
        status = check(address, options.service, timeout_s=options.timeout)
        sys.stdout.write(f"{address}: {status}\n")
        if status == _SERVING:
            return 0
    return 1


def addresses_of(environment: Mapping[str, str]) -> Sequence[str]:
    """Returns the address of the service in this container: `grpc.listen`, or the defaults."""
    host, _, port = environment.get("RINGLOG_GRPC_LISTEN", "").rpartition(":")
    if not port:
        return _DEFAULT_ADDRESSES
    return (f"{'localhost' if is_wildcard(host) else host}:{port}",)


def check(address: str, service: str, *, timeout_s: float) -> str:
    """Returns the status of `service`, such as "SERVING", or the error of the call."""
    # Proxies of the environment are for remote servers.
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub: Any = HealthStub(channel)
        try:
            response = stub.Check(HealthCheckRequest(service=service), timeout=timeout_s)
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"
    return HealthCheckResponse.ServingStatus.Name(response.status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "ringlog health", description="Check whether a service is ready for work."
    )
    parser.add_argument(
        "address",
        nargs="?",
        help="HOST:PORT of the gRPC server (default: that of $RINGLOG_GRPC_LISTEN, or the first of "
        f"{', '.join(_DEFAULT_ADDRESSES)} that serves)",
    )
    parser.add_argument(
        "--service",
        default="readiness",
        metavar="NAME",
        help='"readiness" (the default), "" for liveness, or the full name of a gRPC service',
    )
    parser.add_argument(
        "--timeout",
        default=3.0,
        type=float,
        metavar="SECONDS",
        help="for each address (default: %(default)g)",
    )
    return parser
