"""`ringlog health`: whether a service may be given work, by grpc.health.v1, as an exit status.

Made for health checks that run a command, as those of Docker do. Kubernetes asks by itself.
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

#: Where a service that nobody told otherwise has its gRPC server: gateway, partition, metadata.
_DEFAULT_ADDRESSES: Final = ("localhost:9192", "localhost:9292", "localhost:9392")
_SERVING: Final = "SERVING"


def main(arguments: Sequence[str]) -> int:
    """0 where one of the addresses says that it serves, 1 where none does; each gets a line."""
    options = _parser().parse_args(arguments)
    addresses = [options.address] if options.address else addresses_of(os.environ)
    for address in addresses:
        said = ask(address, options.service, timeout_s=options.timeout)
        sys.stdout.write(f"{address}: {said}\n")
        if said == _SERVING:
            return 0
    return 1


def addresses_of(environment: Mapping[str, str]) -> Sequence[str]:
    """Where the service in this container listens: as `grpc.listen` says, or the defaults."""
    host, _, port = environment.get("RINGLOG_GRPC_LISTEN", "").rpartition(":")
    if not port:
        return _DEFAULT_ADDRESSES
    return (f"{'localhost' if is_wildcard(host) else host}:{port}",)


def ask(address: str, service: str, *, timeout_s: float) -> str:
    """What the server says of `service`, "SERVING" or "NOT_SERVING", or why it says nothing."""
    # Proxies of the environment are for what is far away.
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub: Any = HealthStub(channel)
        try:
            answer = stub.Check(HealthCheckRequest(service=service), timeout=timeout_s)
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"
    return HealthCheckResponse.ServingStatus.Name(answer.status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "ringlog health", description="Asks a service whether it may be given work."
    )
    parser.add_argument(
        "address",
        nargs="?",
        help="HOST:PORT of the gRPC server; else as RINGLOG_GRPC_LISTEN says, or the first of "
        f"{', '.join(_DEFAULT_ADDRESSES)} that serves",
    )
    parser.add_argument(
        "--service",
        default="readiness",
        metavar="NAME",
        help='what to ask for: "readiness" (the default), or "" for whether it is alive',
    )
    parser.add_argument("--timeout", default=3.0, type=float, metavar="SECONDS")
    return parser
