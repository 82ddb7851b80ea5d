"""Real processes, started as the pods start them, and asked what Kubernetes asks them.

The command and the environment are those of the manifests; only addresses and folders are of this
machine, as flags, which win over the environment.
"""

import sys
from contextlib import ExitStack

import grpc
import pytest
from confluent_kafka.admin import AdminClient
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.deploy.manifests import K8S, Manifests, render
from tests.deploy.pod_settings import environment
from tests.support.ports import ReservedPort
from tests.support.processes import BrokerProcess
from tests.support.service_commands import set_arguments
from tests.support.waiting import eventually

SERVING = health_pb2.HealthCheckResponse.SERVING
PODS = ("metadata-0", "partition-0", "gateway-0")


class Node:
    """Where the first pod of each StatefulSet runs."""

    def __init__(self, folder, stack):
        self._manifests = Manifests(render(K8S / "overlays" / "local"))
        self._folder, self._stack = folder, stack
        self._ports = {name: self._port() for name in (*PODS, "INTERNAL", "EXTERNAL")}
        self.processes = {}

    def _port(self):
        port = ReservedPort()
        self._stack.callback(port.release)
        return port

    def address(self, name):
        return self._ports[name].address

    def start(self, name):
        pod = self._pod(name)
        command = [sys.executable, *pod.container["command"][1:], *set_arguments(self._own(name))]
        process = BrokerProcess(name, command, environment=environment(pod, self._manifests))
        self._stack.callback(process.kill)
        self.processes[name] = process
        return process

    def _pod(self, name):
        return next(one for one in self._manifests.pods if one.name == name)

    def _own(self, name):
        own = {"grpc.listen": self.address(name)}
        if not name.startswith("gateway"):
            own["data.dir"] = str(self._folder / name)
        else:
            own["listeners"] = ",".join(
                f"{one}://{self.address(one)}" for one in ("INTERNAL", "EXTERNAL")
            )
        if not name.startswith("metadata"):
            own["metadata.address"] = self.address("metadata-0")
        if name.startswith("partition"):
            own["grpc.advertised.address"] = self.address(name)
        return own

    def passes(self, name, probe):
        """Whether a probe of the pod would pass now."""
        service = self._pod(name).container[probe]["grpc"]["service"]
        with grpc.insecure_channel(self.address(name)) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service=service)
            try:
                return stub.Check(request, timeout=5).status == SERVING
            except grpc.RpcError:
                return False

    def wait_for(self, name, probe):
        def passes():
            assert self.processes[name].is_running, self.processes[name].tail
            return self.passes(name, probe)

        eventually(passes, what=f"{probe} of {name}")

    def brokers(self, listener):
        """Who a client of a listener is told of: (node id, host:port)."""
        client = AdminClient({"bootstrap.servers": self.address(listener)})
        found = client.list_topics(timeout=30).brokers
        return {(one.id, f"{one.host}:{one.port}") for one in found.values()}


@pytest.fixture
def node(tmp_path):
    with ExitStack() as stack:
        yield Node(tmp_path, stack)


def test_life_depends_on_nobody_and_work_on_knowing_the_cluster(node):
    for name in ("partition-0", "gateway-0"):
        node.start(name)
    for name in ("partition-0", "gateway-0"):
        node.wait_for(name, "startupProbe")
        assert node.passes(name, "livenessProbe")
        assert not node.passes(name, "readinessProbe")
    node.start("metadata-0")
    for name in PODS:
        node.wait_for(name, "readinessProbe")
    node.processes["metadata-0"].kill()
    for name in ("partition-0", "gateway-0"):
        node.processes[name].wait_for_line("metadata service lost")
        assert node.passes(name, "livenessProbe")
        assert node.passes(name, "readinessProbe"), "what is known is served on"


def test_clients_are_told_the_address_of_their_listener(node):
    for name in PODS:
        node.start(name)
    node.wait_for("gateway-0", "readinessProbe")
    assert node.brokers("INTERNAL") == {(0, "gateway-0.gateway.ringlog.svc:9092")}
    assert node.brokers("EXTERNAL") == {(0, "localhost:31090")}


def test_a_pod_that_is_stopped_ends_well(node):
    for name in PODS:
        node.start(name)
    for name in PODS:
        node.wait_for(name, "readinessProbe")
    for name in reversed(PODS):
        assert node.processes[name].terminate() == 0
