"""Pods as real processes on this machine.

The command and the environment are those of the manifests. Addresses and folders are those of this
machine; they are set by flags, which take precedence over the environment.
"""

import sys
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.deploy.manifests import K8S, Manifests, Pod, render
from tests.deploy.pod_settings import environment
from tests.support.processes.ports import ReservedPort
from tests.support.processes.processes import BrokerProcess
from tests.support.processes.service_commands import set_arguments
from tests.support.waiting import eventually

_SERVING = health_pb2.HealthCheckResponse.SERVING


class Node:
    """Runs pods of the overlay `local` by name, until `stack` is closed."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._manifests = Manifests(render(K8S / "overlays" / "local"))
        self._folder, self._stack = folder, stack
        self._ports: defaultdict[str, ReservedPort] = defaultdict(self._reserve_port)
        self.processes: dict[str, BrokerProcess] = {}

    def _reserve_port(self) -> ReservedPort:
        port = ReservedPort()
        self._stack.callback(port.release)
        return port

    def address(self, name: str, listener: str = "grpc") -> str:
        """Returns the address at which a pod listens; gateways have several `listener`s."""
        return self._ports[f"{name} {listener}"].address

    def start(self, name: str, **settings: str) -> BrokerProcess:
        """Starts a pod with additional settings (`_` in their names stands for `.`)."""
        pod = self._pod(name)
        flags = self._local_settings(name) | {
            key.replace("_", "."): text for key, text in settings.items()
        }
        command = [sys.executable, *pod.container["command"][1:], *set_arguments(flags)]
        process = BrokerProcess(name, command, environment=environment(pod, self._manifests))
        self._stack.callback(process.kill)
        self.processes[name] = process
        return process

    def _pod(self, name: str) -> Pod:
        return next(pod for pod in self._manifests.pods if pod.name == name)

    def _local_settings(self, name: str) -> dict[str, str]:
        local = {"grpc.listen": self.address(name)}
        if not name.startswith("metadata"):
            local["metadata.address"] = self.address("metadata-0")
        if name.startswith("partition"):
            local["grpc.advertised.address"] = self.address(name)
        if not name.startswith("gateway"):
            return local | {"data.dir": str(self._folder / name)}
        kafka = [f"{label}://{self.address(name, label)}" for label in ("INTERNAL", "EXTERNAL")]
        return local | {"listeners": ",".join(kafka)}

    def passes(self, name: str, probe: str) -> bool:
        """True if a probe of a pod passes now."""
        service = self._pod(name).container[probe]["grpc"]["service"]
        with grpc.insecure_channel(self.address(name)) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service=service)
            try:
                return bool(stub.Check(request, timeout=5).status == _SERVING)
            except grpc.RpcError:
                return False

    def wait_for(self, name: str, probe: str) -> None:
        def passes() -> bool:
            assert self.processes[name].is_running, self.processes[name].tail
            return self.passes(name, probe)

        eventually(passes, what=f"{probe} of {name}")
